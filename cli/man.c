/* Manual pages as troff, from the tables. */
#include "help.h"

#include <ctype.h>
#include <string.h>

/* Text for troff: backslashes and hyphens escaped, no control line by accident. */
static void put(FILE *f, const char *s)
{
    if (*s == '.' || *s == '\'')
        fputs("\\&", f);
    for (; *s; s++) {
        if (*s == '\\')
            fputs("\\e", f);
        else if (*s == '-')
            fputs("\\-", f);
        else
            fputc(*s, f);
        if (*s == '\n' && (s[1] == '.' || s[1] == '\''))
            fputs("\\&", f);
    }
}

static void head(FILE *f, const char *name, const char *summary)
{
    char upper[64];
    size_t i = 0;

    for (; name[i] && i < sizeof upper - 1; i++)
        upper[i] = (char)toupper((unsigned char)name[i]);
    upper[i] = 0;
    fprintf(f, ".TH %s 1 \"\" \"dscompress " DSC_VERSION "\" \"dscompress manual\"\n.SH NAME\n",
            upper);
    put(f, name);
    fputs(" \\- ", f);
    put(f, summary);
    fputs("\n.SH SYNOPSIS\n.B ", f);
}

static void option(FILE *f, const struct dsc_opt_row *row)
{
    char usage[128];
    const char *text = usage;

    dsc_opt_usage(usage, sizeof usage, row);
    text += strspn(text, " ");
    fputs(".TP\n.B ", f);
    put(f, text);
    fputc('\n', f);
    put(f, row->help);
    if (row->kind == DSC_OPTKIND_ENUM) {
        fputs(" (", f);
        put(f, row->limits);
        fputc(')', f);
    }
    if (row->dflt[0]) {
        fputs("; default ", f);
        put(f, row->dflt);
    }
    if (row->is_repeatable)
        fputs("; may be repeated", f);
    fputs(".\n", f);
}

static void options(FILE *f, const char *verb)
{
    fputs(".SH OPTIONS\n", f);
    for (int i = 0; i < DSC_OPT_COUNT; i++) {
        const struct dsc_opt_row *row = &dsc_opt_rows[i];

        if (verb ? dsc_opt_takes(row, verb) : row->verbs[0] == '*')
            option(f, row);
    }
}

/* Of every verb that reads rows. */
static void data(FILE *f)
{
    fputs(".SH DATA\n", f);
    put(f,
        "Rows of text are a .tsv, .csv or .jsonl with the columns text, text_b (if there are "
        "pairs) "
        "and label. Rows of arrays are an .npz or .h5 with one array for each input of the model, "
        "named as it is, and label; rows lie along the first axis, and types and sizes have to be "
        "the "
        "input's. The label of arrays is the number of the class from 0, or a float for a value. "
        "--columns renames either.\n\n"
        "--split takes the first 8 hex digits, mod 100, of the sha256 of the text; of arrays, of "
        "the bytes of all inputs of the row, in the order of the arrays' names. Of equal rows the "
        "first one counts.");
    fputc('\n', f);
}

static void exit_status(FILE *f)
{
    fputs(".SH EXIT STATUS\n.TP\n.B 0\ndone, or the check passed\n", f);
    for (int i = 1; i < DSC_STATUS_COUNT; i++) {
        const enum dsc_status s = (enum dsc_status)i;

        fprintf(f, ".TP\n.B %d\n%s: ", dsc_status_exit(s), dsc_status_class(s));
        put(f, dsc_status_meaning(s));
        fputc('\n', f);
    }
}

static void verb_page(FILE *f, const struct dsc_command *c)
{
    char name[64];

    snprintf(name, sizeof name, "dscompress-%s", c->name);
    head(f, name, c->summary);
    fprintf(f, "dscompress %s\n[options] %s\n.SH DESCRIPTION\n", c->name, c->args);
    put(f, c->about ? c->about : c->summary);
    fputc('\n', f);
    options(f, c->name);
    if (dsc_opt_takes(&dsc_opt_rows[DSC_OPT_task], c->name))
        data(f);
    if (c->examples) {
        fputs(".SH EXAMPLES\n.nf\n", f);
        put(f, c->examples);
        fputs("\n.fi\n", f);
    }
    fputs(".SH SEE ALSO\n.BR dscompress (1)\n", f);
}

void dsc_man_page(FILE *f, const struct dsc_command *c)
{
    if (c) {
        verb_page(f, c);
        return;
    }
    head(f, "dscompress", "make a trained model small and prove that it is still right");
    fputs("dscompress\nCOMMAND [options] [arguments]\n.SH COMMANDS\n", f);
    for (int i = 0; dsc_commands[i]; i++) {
        fprintf(f, ".TP\n.B %s\n", dsc_commands[i]->name);
        put(f, dsc_commands[i]->summary);
        fputc('\n', f);
    }
    options(f, NULL);
    exit_status(f);
}
