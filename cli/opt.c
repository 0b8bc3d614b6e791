/* Parsing of the command line, from the tables. */
#include "opt.h"

#include "cmd.h"
#include "optvalue.h"
#include "recipe.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct dsc_opt_row dsc_opt_rows[DSC_OPT_COUNT] = {
#define DSC_OPTION(id, name, letter, kind, rep, value, dflt, limits, verbs, help) \
    [DSC_OPT_##id] = {name, letter, DSC_OPTKIND_##kind, rep, value, dflt, limits, verbs, help},
#include "options.def"
#undef DSC_OPTION
};

/* One option as it stood on the command line, before the verb was known. */
struct given {
    char name[64];
    char letter; /* when it was given by its letter */
    const char *value;
};

struct scan {
    struct dsc_cmd *cmd;
    int argc, i;
    char **argv;
    struct given *given;
    int n_given;
    const char **words;
    int n_words;
    struct dsc_err *err;
};

bool dsc_opt_takes(const struct dsc_opt_row *row, const char *verb)
{
    const size_t n = strlen(verb);
    const char *p = row->verbs;

    if (p[0] == '*')
        return true;
    while ((p = strstr(p, verb))) {
        if ((p == row->verbs || p[-1] == ' ') && (p[n] == 0 || p[n] == ' '))
            return true;
        p += n;
    }
    return false;
}

static bool is_flag(const struct dsc_opt_row *row)
{
    return row->kind == DSC_OPTKIND_FLAG;
}

static const struct dsc_opt_row *row_named(const struct given *g, const char *verb)
{
    for (int i = 0; i < DSC_OPT_COUNT; i++) {
        const struct dsc_opt_row *row = &dsc_opt_rows[i];
        const bool fits = g->letter ? row->letter == g->letter : !strcmp(row->name, g->name);

        if (fits && (!verb || dsc_opt_takes(row, verb)))
            return row;
    }
    return NULL;
}

static void shown_name(char out[72], const struct given *g)
{
    if (g->letter)
        snprintf(out, 72, "-%c", g->letter);
    else
        snprintf(out, 72, "--%s", g->name);
}

enum dsc_opt_id dsc_opt_find(const char *name, const char *verb)
{
    int i = 0;

    while (i < DSC_OPT_COUNT &&
           (strcmp(dsc_opt_rows[i].name, name) != 0 || !dsc_opt_takes(&dsc_opt_rows[i], verb)))
        i++;
    return (enum dsc_opt_id)i;
}

const char *dsc_opt_nearest(const char *name, const char *verb)
{
    const char *names[DSC_OPT_COUNT];
    int n = 0;

    for (int i = 0; i < DSC_OPT_COUNT; i++)
        if (!verb || dsc_opt_takes(&dsc_opt_rows[i], verb))
            names[n++] = dsc_opt_rows[i].name;
    return dsc_nearest(name, names, n);
}

/* The first word that names a verb: good enough for messages before the line has been parsed. */
static const struct dsc_command *guess_verb(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (dsc_command_find(argv[i]))
            return dsc_command_find(argv[i]);
    return NULL;
}

static enum dsc_status unknown_option(struct scan *s, const struct given *g)
{
    const char *verb = s->cmd->row ? s->cmd->row->name : NULL;
    const char *near = g->letter ? NULL : dsc_opt_nearest(g->name, verb);
    char name[72];

    shown_name(name, g);
    dsc_fail(s->err, DSC_E_USAGE, "unknown option '%s'", name);
    if (near)
        return dsc_err_hint(s->err, "did you mean --%s?", near);
    return dsc_err_hint(s->err, "see: dscompress help %s", verb ? verb : "");
}

static enum dsc_status take_value(struct scan *s, struct given *g, const struct dsc_opt_row *row,
                                  const char *attached)
{
    char name[72];

    shown_name(name, g);
    if (is_flag(row)) {
        if (attached)
            return dsc_fail(s->err, DSC_E_USAGE, "option %s takes no value", name);
        return DSC_OK;
    }
    g->value = attached;
    if (attached || row->kind == DSC_OPTKIND_MAYBE)
        return DSC_OK;
    if (s->i + 1 >= s->argc || !strncmp(s->argv[s->i + 1], "--", 2)) {
        dsc_fail(s->err, DSC_E_USAGE, "option %s needs a value: %s", name, row->value);
        if (g->letter)
            return DSC_E_USAGE;
        return dsc_err_hint(s->err, "a value that begins with -- is given as %s=VALUE", name);
    }
    g->value = s->argv[++s->i];
    return DSC_OK;
}

/* The verb's row of that name, else any: whether it takes a value does not depend on the verb. */
static const struct dsc_opt_row *row_of(const struct scan *s, const struct given *g)
{
    const struct dsc_opt_row *row = s->cmd->row ? row_named(g, s->cmd->row->name) : NULL;

    return row ? row : row_named(g, NULL);
}

static enum dsc_status scan_long(struct scan *s, const char *arg)
{
    struct given *g = &s->given[s->n_given++];
    const char *eq = strchr(arg, '=');
    const size_t n = eq ? (size_t)(eq - arg) : strlen(arg);
    const struct dsc_opt_row *row;

    snprintf(g->name, sizeof g->name, "%.*s", (int)(n < 63 ? n : 63), arg);
    row = row_of(s, g);
    if (!row)
        return unknown_option(s, g);
    return take_value(s, g, row, eq ? eq + 1 : NULL);
}

/* -qf, -j2, -j 2, -oFILE */
static enum dsc_status scan_letters(struct scan *s, const char *arg)
{
    for (const char *p = arg; *p; p++) {
        struct given *g = &s->given[s->n_given++];
        const struct dsc_opt_row *row;

        g->letter = *p;
        row = row_of(s, g);
        if (!row)
            return unknown_option(s, g);
        if (!is_flag(row))
            return take_value(s, g, row, p[1] ? p + (p[1] == '=' ? 2 : 1) : NULL);
    }
    return DSC_OK;
}

static enum dsc_status scan_all(struct scan *s)
{
    bool is_ended = false;
    size_t n_max = 0;

    for (int i = 1; i < s->argc; i++)
        n_max += strlen(s->argv[i]) + 1; /* letters may be bundled */
    DSC_NEW(s->given, s->cmd->arena, n_max + 1, s->err);
    DSC_NEW(s->words, s->cmd->arena, s->argc + 1, s->err);
    for (s->i = 1; s->i < s->argc; s->i++) {
        const char *arg = s->argv[s->i];

        if (is_ended || arg[0] != '-' || !arg[1])
            s->words[s->n_words++] = arg;
        else if (!strcmp(arg, "--"))
            is_ended = true;
        else if (arg[1] == '-')
            DSC_TRY(scan_long(s, arg + 2));
        else
            DSC_TRY(scan_letters(s, arg + 1));
    }
    return DSC_OK;
}

static enum dsc_status find_verb(struct scan *s)
{
    const char *names[64];
    int n = 0;
    const char *near;

    s->cmd->row = NULL;
    if (s->n_words == 0)
        return DSC_OK;
    s->cmd->row = dsc_command_find(s->words[0]);
    if (s->cmd->row)
        return DSC_OK;
    while (dsc_commands[n] && n < 64) {
        names[n] = dsc_commands[n]->name;
        n++;
    }
    near = dsc_nearest(s->words[0], names, n);
    dsc_fail(s->err, DSC_E_USAGE, "unknown command '%s'", s->words[0]);
    if (near)
        return dsc_err_hint(s->err, "did you mean %s?", near);
    return dsc_err_hint(s->err, "'dscompress help' lists the commands");
}

/* An option that exists, but not for this verb: say whose it is. */
static enum dsc_status not_of_verb(struct scan *s, const struct given *g)
{
    char owners[256] = "", name[72];
    const char *near = g->letter ? NULL : dsc_opt_nearest(g->name, s->cmd->row->name);
    size_t at = 0;

    for (int i = 0; dsc_commands[i]; i++) {
        if (row_named(g, dsc_commands[i]->name) && at < sizeof owners - 40)
            at += (size_t)snprintf(owners + at, sizeof owners - at, "%s%s", at ? ", " : "",
                                   dsc_commands[i]->name);
    }
    shown_name(name, g);
    dsc_fail(s->err, DSC_E_USAGE, "'%s' takes no option %s", s->cmd->row->name, name);
    if (near)
        return dsc_err_hint(s->err, "did you mean --%s?", near);
    if (owners[0])
        return dsc_err_hint(s->err, "it belongs to: %s", owners);
    return dsc_err_hint(s->err, "see: dscompress help %s", s->cmd->row->name);
}

static enum dsc_status bind_one(struct scan *s, const struct given *g)
{
    const struct dsc_opt_row *row = row_named(g, s->cmd->row ? s->cmd->row->name : NULL);

    if (!row)
        return not_of_verb(s, g);
    return dsc_opt_bind(s->cmd, (enum dsc_opt_id)(row - dsc_opt_rows), g->value, s->err);
}

static enum dsc_status check_needs(struct scan *s)
{
    const struct dsc_command *c = s->cmd->row;
    struct dsc_opt_value needs = {0};

    if (!c->needs)
        return DSC_OK;
    DSC_TRY(dsc_opt_add_list(s->cmd, &needs, c->needs, s->err));
    for (int i = 0; i < needs.n_items; i++) {
        struct given g = {0};
        const struct dsc_opt_row *row;

        snprintf(g.name, sizeof g.name, "%s", needs.items[i]);
        row = row_named(&g, c->name);
        if (!row)
            return dsc_fail(s->err, DSC_E_INTERNAL, "'%s' needs --%s, which it does not take",
                            c->name, g.name);
        if (s->cmd->opts.v[row - dsc_opt_rows].n_given)
            continue;
        dsc_fail(s->err, DSC_E_USAGE, "'%s' needs --%s %s", c->name, row->name, row->value);
        return dsc_err_hint(s->err, "%s", row->help);
    }
    return DSC_OK;
}

static enum dsc_status check_args(struct scan *s)
{
    const struct dsc_command *c = s->cmd->row;

    s->cmd->args = s->words + 1;
    s->cmd->n_args = s->n_words - 1;
    if (s->cmd->n_args < c->n_args_min)
        dsc_fail(s->err, DSC_E_USAGE, "'%s' needs an argument: %s", c->name, c->args);
    else if (s->cmd->n_args > c->n_args_max)
        dsc_fail(s->err, DSC_E_USAGE, "'%s' has no use for '%s'", c->name,
                 s->words[1 + c->n_args_max]);
    else
        return DSC_OK;
    return dsc_err_hint(s->err, "see: dscompress help %s", c->name);
}

/* --json decides the form of every later error, so it is looked for first. */
static void find_json(struct dsc_cmd *cmd, int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--json"))
            cmd->opts.v[DSC_OPT_json].n_given = 1;
}

enum dsc_status dsc_opt_parse(struct dsc_cmd *cmd, int argc, char **argv, struct dsc_err *err)
{
    struct scan s = {.cmd = cmd, .argc = argc, .argv = argv, .err = err};

    find_json(cmd, argc, argv);
    cmd->row = guess_verb(argc, argv);
    DSC_TRY(scan_all(&s));
    DSC_TRY(find_verb(&s));
    cmd->opts.v[DSC_OPT_json].n_given = 0;
    for (int i = 0; i < s.n_given; i++) {
        const enum dsc_status st = bind_one(&s, &s.given[i]);

        if (st != DSC_OK) {
            find_json(cmd, argc, argv);
            return st;
        }
    }
    if (cmd->opts.v[DSC_OPT_help].n_given || cmd->opts.v[DSC_OPT_version].n_given)
        return DSC_OK;
    if (!cmd->row) {
        dsc_fail(err, DSC_E_USAGE, "a command is missing");
        return dsc_err_hint(err, "'dscompress help' lists the commands");
    }
    DSC_TRY(dsc_recipe_apply(cmd, err));
    if (cmd->opts.v[DSC_OPT_print_recipe].n_given && !cmd->row->has_stages)
        return DSC_OK; /* what is not there yet may be missing */
    DSC_TRY(check_args(&s));
    return check_needs(&s);
}

enum dsc_status dsc_cmd_check_used(struct dsc_cmd *cmd, struct dsc_err *err)
{
    char names[256] = "";
    size_t at = 0;

    for (int i = 0; i < DSC_OPT_COUNT; i++) {
        const struct dsc_opt_value *v = &cmd->opts.v[i];

        if (v->n_given && !v->is_used && at < sizeof names - 40)
            at += (size_t)snprintf(names + at, sizeof names - at, "%s--%s", at ? ", " : "",
                                   dsc_opt_rows[i].name);
    }
    if (!at)
        return DSC_OK;
    return dsc_fail(err, DSC_E_USAGE, "no effect together with the other options: %s", names);
}
