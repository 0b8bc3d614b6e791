/* The terminal. */
#include "term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MIN_COLUMNS = 40, MAX_COLUMNS = 200, DEFAULT_COLUMNS = 80 };

static int columns_of(int fd)
{
    struct winsize w = {0};

    if (ioctl(fd, TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
        return DEFAULT_COLUMNS;
    if (w.ws_col < MIN_COLUMNS)
        return MIN_COLUMNS;
    return w.ws_col > MAX_COLUMNS ? MAX_COLUMNS : w.ws_col;
}

void dsc_term_init(struct dsc_term *t, FILE *f, enum dsc_color color)
{
    const char *name = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    const bool is_plain = (no_color && *no_color) || !name || !strcmp(name, "dumb");

    t->f = f;
    t->is_tty = isatty(fileno(f)) == 1;
    t->n_columns = t->is_tty ? columns_of(fileno(f)) : DEFAULT_COLUMNS;
    t->has_color = color == DSC_COLOR_ALWAYS || (color == DSC_COLOR_AUTO && t->is_tty && !is_plain);
}

const char *dsc_term_style(const struct dsc_term *t, enum dsc_style style)
{
    static const char *const code[] = {"\033[0m", "\033[1m", "\033[1;31m", "\033[1;33m",
                                       "\033[32m"};

    return t->has_color ? code[style] : "";
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7F;
}

void dsc_term_put(FILE *f, const char *text)
{
    for (; *text; text++)
        if (is_control(*text))
            fprintf(f, "\\x%02x", (unsigned)*text);
        else
            fputc(*text, f);
}

void dsc_text_show(char *out, size_t out_bytes, const char *text)
{
    size_t at = 0;

    for (; *text && at + 5 < out_bytes; text++)
        if (is_control(*text))
            at += (size_t)snprintf(out + at, out_bytes - at, "\\x%02x", (unsigned)*text);
        else
            out[at++] = *text;
    out[at] = 0;
}

int dsc_text_columns(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += (*s & 0xC0) != 0x80;
    return n;
}

void dsc_term_wrap(FILE *f, const char *text, int cursor, int indent, int n_columns)
{
    int at = cursor;
    bool is_first = true;

    while (*text) {
        const int n = (int)strcspn(text, " ");

        if (!is_first && at + 1 + n > n_columns) {
            fprintf(f, "\n%*s", indent, "");
            at = indent;
        } else if (!is_first) {
            at += fprintf(f, " ");
        }
        at += fprintf(f, "%.*s", n, text);
        is_first = false;
        text += n;
        text += *text != 0;
    }
    fputc('\n', f);
}
