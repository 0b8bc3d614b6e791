/* Help on the terminal, from the tables. */
#include "help.h"

#include <string.h>

enum { HELP_MAX_COLUMNS = 100, OPTION_COLUMN = 30 };

static int width_of(const struct dsc_term *t)
{
    return t->n_columns < HELP_MAX_COLUMNS ? t->n_columns : HELP_MAX_COLUMNS;
}

static void heading(const struct dsc_term *t, const char *text)
{
    fprintf(t->f, "\n%s%s%s\n", dsc_term_style(t, DSC_STYLE_BOLD), text,
            dsc_term_style(t, DSC_STYLE_NONE));
}

int dsc_opt_usage(char *out, size_t out_bytes, const struct dsc_opt_row *row)
{
    char letter[8] = "    ", value[64] = "";

    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    if (row->kind == DSC_OPTKIND_MAYBE)
        snprintf(value, sizeof value, "[=%s]", row->value);
    else if (row->kind != DSC_OPTKIND_FLAG)
        snprintf(value, sizeof value, " %s", row->value);
    return snprintf(out, out_bytes, "%s--%s%s", letter, row->name, value);
}

static void one_option(const struct dsc_term *t, const struct dsc_opt_row *row)
{
    char text[512];
    char usage[128];
    const int n = dsc_opt_usage(usage, sizeof usage, row);
    size_t at = (size_t)snprintf(text, sizeof text, "%s", row->help);

    if (row->kind == DSC_OPTKIND_ENUM && at < sizeof text)
        at += (size_t)snprintf(text + at, sizeof text - at, " (%s)", row->limits);
    if (row->dflt[0] && at < sizeof text)
        at += (size_t)snprintf(text + at, sizeof text - at, " [%s]", row->dflt);
    if (row->is_repeatable && at < sizeof text)
        snprintf(text + at, sizeof text - at, " (may be repeated)");
    fprintf(t->f, "  %s", usage);
    if (n + 4 > OPTION_COLUMN)
        fprintf(t->f, "\n%*s", OPTION_COLUMN, "");
    else
        fprintf(t->f, "%*s", OPTION_COLUMN - n - 2, "");
    dsc_term_wrap(t->f, text, OPTION_COLUMN, OPTION_COLUMN, width_of(t));
}

/* Options of the verb itself, or those of every verb. */
static void options(const struct dsc_term *t, const char *verb, bool is_common)
{
    bool is_first = true;

    for (int i = 0; i < DSC_OPT_COUNT; i++) {
        const struct dsc_opt_row *row = &dsc_opt_rows[i];

        if ((row->verbs[0] == '*') != is_common || (!is_common && !dsc_opt_takes(row, verb)))
            continue;
        if (is_first)
            heading(t, is_common ? "Options of every command" : "Options");
        is_first = false;
        one_option(t, row);
    }
}

/* Paragraphs are separated by newlines. */
static void paragraphs(const struct dsc_term *t, const char *text)
{
    char line[1024];

    while (*text) {
        const size_t n = strcspn(text, "\n");

        snprintf(line, sizeof line, "%.*s", (int)n, text);
        dsc_term_wrap(t->f, line, 0, 0, width_of(t));
        text += n + (text[n] == '\n');
    }
}

static void examples(const struct dsc_term *t, const char *text)
{
    heading(t, "Examples");
    while (*text) {
        const size_t n = strcspn(text, "\n");

        fprintf(t->f, "  %.*s\n", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

void dsc_help_command(const struct dsc_term *t, const struct dsc_command *c)
{
    fprintf(t->f, "dscompress %s: %s\n\n", c->name, c->summary);
    fprintf(t->f, "Usage: dscompress %s [options]%s%s\n", c->name, c->args[0] ? " " : "", c->args);
    if (c->about) {
        fputc('\n', t->f);
        paragraphs(t, c->about);
    }
    options(t, c->name, false);
    options(t, c->name, true);
    if (c->examples)
        examples(t, c->examples);
}

void dsc_help_overview(const struct dsc_term *t)
{
    fputs("dscompress makes a trained model small and proves that it is still right.\n\n"
          "Usage: dscompress COMMAND [options] [arguments]\n",
          t->f);
    heading(t, "Commands");
    for (int i = 0; dsc_commands[i]; i++)
        fprintf(t->f, "  %-12s %s\n", dsc_commands[i]->name, dsc_commands[i]->summary);
    fputs("\n'dscompress help COMMAND' shows a command's options.\n"
          "Exit status: 0 done or check passed, 1 check failed, 64 usage, 65 bad data,\n"
          "66 no input, 69 no device, 70 training diverged or internal, 71 memory, 73 output\n"
          "exists, 74 I/O, 75 locked, 78 bad recipe, 130 and 143 stopped by a signal.\n",
          t->f);
}
