/* The terminal: is it one, how wide, may it be coloured. */
#ifndef DSC_CLI_TERM_H
#define DSC_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct dsc_term {
    FILE *f;
    bool is_tty;
    bool has_color;
    int n_columns; /* 80 when it is no terminal */
};

enum dsc_color { DSC_COLOR_AUTO, DSC_COLOR_ALWAYS, DSC_COLOR_NEVER };
enum dsc_style { DSC_STYLE_NONE, DSC_STYLE_BOLD, DSC_STYLE_RED, DSC_STYLE_YELLOW, DSC_STYLE_GREEN };

/** NO_COLOR and TERM=dumb switch colour off in AUTO. */
void dsc_term_init(struct dsc_term *t, FILE *f, enum dsc_color color);
/** The escape sequence of a style, "" without colour. NONE ends a style. */
const char *dsc_term_style(const struct dsc_term *t, enum dsc_style style);
/**
 * Print a name or text of a file's: what controls a terminal is shown as "\x1b". The other form
 * puts as much of it as fits into out.
 */
void dsc_term_put(FILE *f, const char *text);
void dsc_text_show(char *out, size_t out_bytes, const char *text);
/** Columns that UTF-8 text takes, counting one for each code point. */
int dsc_text_columns(const char *s);
/** Print text wrapped at words: first line at the cursor, the others indented. */
void dsc_term_wrap(FILE *f, const char *text, int cursor, int indent, int n_columns);

#endif
