/* Stages of a recipe. */
#include "stages.h"

#include "optvalue.h"
#include "output.h"
#include "recipe.h"

#include <string.h>
#include <unistd.h>

/* Of the pipeline's own command line, for every stage that has them. */
static const enum dsc_opt_id handed_on[] = {DSC_OPT_threads,  DSC_OPT_device, DSC_OPT_seed,
                                            DSC_OPT_progress, DSC_OPT_color,  DSC_OPT_quiet,
                                            DSC_OPT_verbose};
enum { N_HANDED_ON = sizeof handed_on / sizeof handed_on[0] };

/* How a stage is shown or how fast it is; nothing of this decides its result. */
static const enum dsc_opt_id shown[] = {DSC_OPT_threads, DSC_OPT_progress, DSC_OPT_color,
                                        DSC_OPT_quiet,   DSC_OPT_verbose,  DSC_OPT_force};

/* What a stage writes. */
static const enum dsc_opt_id written[] = {
    DSC_OPT_output, DSC_OPT_json,      DSC_OPT_predictions, DSC_OPT_junit,        DSC_OPT_trace,
    DSC_OPT_state,  DSC_OPT_save_plan, DSC_OPT_sensitivity, DSC_OPT_teacher_cache};

static bool is_among(enum dsc_opt_id id, const enum dsc_opt_id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* ---- options ---- */

static void hand_on(const struct dsc_cmd *cmd, struct dsc_stage *s)
{
    for (int i = 0; i < N_HANDED_ON; i++)
        if (cmd->opts.v[handed_on[i]].n_given > 0 &&
            dsc_opt_takes(&dsc_opt_rows[handed_on[i]], s->cmd.row->name)) {
            s->cmd.opts.v[handed_on[i]] = cmd->opts.v[handed_on[i]];
            s->cmd.opts.v[handed_on[i]].is_used = true;
        }
}

/* STAGE.NAME=VALUE, or NAME=VALUE for all that have it; is_taken: this one had. */
static enum dsc_status apply_set(struct dsc_stage *s, const char *item, bool *is_taken,
                                 struct dsc_err *err)
{
    const size_t n = strlen(s->name);
    const char *value;
    char name[64];
    struct dsc_opt_value *v;
    enum dsc_opt_id id;

    if (strncmp(item, s->name, n) == 0 && item[n] == '.')
        item += n + 1;
    if (!dsc_opt_pair(item, name, sizeof name, &value))
        return dsc_fail(err, DSC_E_USAGE, "--set takes [STAGE.]NAME=VALUE, not '%s'", item);
    id = dsc_opt_find(name, s->cmd.row->name);
    if (id == DSC_OPT_COUNT || dsc_recipe_is_outside(id))
        return DSC_OK;
    *is_taken = true;
    v = &s->cmd.opts.v[id];
    if (v->n_given > 0 && v->line != DSC_OPT_BY_SET)
        return DSC_OK;
    v->line = DSC_OPT_BY_SET;
    return dsc_recipe_bind(&s->cmd, id, value, true, err);
}

static enum dsc_status apply_sets(struct dsc_cmd *cmd, struct dsc_stage *stages, int n_stages,
                                  struct dsc_err *err)
{
    int n;
    const char *const *items = dsc_opt_items(cmd, DSC_OPT_set, &n);

    for (int i = 0; i < n; i++) {
        bool is_taken = false;

        for (int k = 0; k < n_stages; k++)
            DSC_TRY(apply_set(&stages[k], items[i], &is_taken, err));
        if (!is_taken)
            return dsc_fail(err, DSC_E_USAGE, "--set %s: no stage has this option", items[i]);
    }
    return DSC_OK;
}

/* ---- as a command line ---- */

/* What was said for all stages need not have an effect on this one. */
static enum dsc_status add_option(struct dsc_stage *s, const char **argv, enum dsc_opt_id id,
                                  struct dsc_err *err)
{
    const struct dsc_opt_row *row = &dsc_opt_rows[id];
    const struct dsc_opt_value *v = &s->cmd.opts.v[id];
    const bool is_joined = row->kind == DSC_OPTKIND_LIST || row->kind == DSC_OPTKIND_INTS;
    const bool may_be_useless = v->is_used && row->verbs[0] != '*';
    char *text;

    if (v->n_items == 0) {
        text = may_be_useless ? dsc_arena_printf(s->cmd.arena, err, "--set=%s?=true", row->name)
                              : dsc_arena_printf(s->cmd.arena, err, "--%s", row->name);
        argv[s->argc++] = text;
        return text ? DSC_OK : DSC_E_MEMORY;
    }
    for (int i = 0; i < v->n_items; i++) {
        text = is_joined && i > 0
                   ? dsc_arena_printf(s->cmd.arena, err, "%s,%s", argv[s->argc - 1], v->items[i])
               : may_be_useless
                   ? dsc_arena_printf(s->cmd.arena, err, "--set=%s?=%s", row->name, v->items[i])
                   : dsc_arena_printf(s->cmd.arena, err, "--%s=%s", row->name, v->items[i]);
        if (!text)
            return DSC_E_MEMORY;
        s->argc -= is_joined && i > 0;
        argv[s->argc++] = text;
    }
    return DSC_OK;
}

static enum dsc_status make_argv(struct dsc_stage *s, struct dsc_err *err)
{
    int n = s->cmd.n_args + 3;
    const char **argv;
    bool is_plain = true; /* no argument could be taken for an option */

    for (int i = 0; i < DSC_OPT_COUNT; i++)
        n += s->cmd.opts.v[i].n_items + 1;
    for (int i = 0; i < s->cmd.n_args; i++)
        is_plain = is_plain && s->cmd.args[i][0] != '-';
    DSC_NEW(argv, s->cmd.arena, n, err);
    argv[s->argc++] = "dscompress";
    argv[s->argc++] = s->cmd.row->name;
    for (int i = 0; i < s->cmd.n_args && is_plain; i++)
        argv[s->argc++] = s->cmd.args[i];
    for (int i = 0; i < DSC_OPT_COUNT; i++)
        if (s->cmd.opts.v[i].n_given > 0)
            DSC_TRY(add_option(s, argv, (enum dsc_opt_id)i, err));
    if (!is_plain)
        argv[s->argc++] = "--";
    for (int i = 0; i < s->cmd.n_args && !is_plain; i++)
        argv[s->argc++] = s->cmd.args[i];
    s->argv = argv;
    return DSC_OK;
}

/* Does the program take it as it is? */
static enum dsc_status check_argv(const struct dsc_stage *s, struct dsc_err *err)
{
    struct dsc_cmd *aside;
    char **argv;

    DSC_NEW(aside, s->cmd.arena, 1, err);
    DSC_NEW(argv, s->cmd.arena, s->argc + 1, err);
    for (int i = 0; i < s->argc; i++) {
        argv[i] = dsc_arena_strdup(s->cmd.arena, s->argv[i], err);
        if (!argv[i])
            return DSC_E_MEMORY;
    }
    aside->arena = s->cmd.arena;
    return dsc_opt_parse(aside, s->argc, argv, err);
}

/* ---- the recipe ---- */

static const struct dsc_recipe_entry *
own_entry(const struct dsc_recipe *r, const struct dsc_recipe_section *section, const char *name)
{
    for (int i = 0; i < r->n_entries; i++)
        if (r->entries[i].section == section && strcmp(r->entries[i].name, name) == 0)
            return &r->entries[i];
    return NULL;
}

static enum dsc_status name_stage(struct dsc_stage *stages, int n, const struct dsc_recipe *r,
                                  const struct dsc_recipe_section *section, struct dsc_err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const struct dsc_recipe_entry *e = own_entry(r, section, "name");
    struct dsc_stage *s = &stages[n];

    s->name = e ? e->values[0].text : section->verb;
    if (e && (e->is_list || !*s->name || s->name[strspn(s->name, plain)] != '\0'))
        return dsc_fail(err, DSC_E_RECIPE, "a stage's name is of letters, digits, '_' and '-'");
    for (int i = 0; i < n; i++)
        if (strcmp(stages[i].name, s->name) == 0) {
            dsc_fail(err, DSC_E_RECIPE, "a second stage '%s'", s->name);
            return dsc_err_hint(err, "give them names: name: %s-2", s->name);
        }
    return DSC_OK;
}

static enum dsc_status take_args(struct dsc_stage *s, const struct dsc_recipe *r,
                                 const struct dsc_recipe_section *section, struct dsc_err *err)
{
    const struct dsc_recipe_entry *e = own_entry(r, section, "args");
    const char **args;

    if (!e)
        return DSC_OK;
    DSC_NEW(args, s->cmd.arena, e->n_values, err);
    for (int i = 0; i < e->n_values; i++)
        args[i] = e->values[i].text;
    s->cmd.args = args;
    s->cmd.n_args = e->n_values;
    return DSC_OK;
}

static enum dsc_status take_stage(struct dsc_cmd *cmd, struct dsc_stage *stages, int n,
                                  const struct dsc_recipe *r,
                                  const struct dsc_recipe_section *section, struct dsc_err *err)
{
    struct dsc_stage *s = &stages[n];

    s->at = section->at;
    s->cmd.arena = cmd->arena;
    s->cmd.row = dsc_command_find(section->verb);
    if (s->cmd.row->has_stages)
        return dsc_fail(err, DSC_E_RECIPE, "a pipeline is no stage");
    DSC_TRY(name_stage(stages, n, r, section, err));
    DSC_TRY(take_args(s, r, section, err));
    hand_on(cmd, s);
    return DSC_OK;
}

/* All that decides what a stage reads by default. */
static enum dsc_status finish_stage(struct dsc_stage *s, const char **last, struct dsc_err *err)
{
    const struct dsc_opt_value *out = &s->cmd.opts.v[DSC_OPT_output];
    const char **args;

    if (s->cmd.n_args == 0 && s->cmd.row->n_args_min > 0 && *last) {
        DSC_NEW(args, s->cmd.arena, 1, err);
        args[0] = *last;
        s->cmd.args = args;
        s->cmd.n_args = 1;
    }
    if (out->n_items > 0)
        *last = s->output = out->items[out->n_items - 1];
    DSC_TRY(make_argv(s, err));
    return check_argv(s, err);
}

static enum dsc_status take_stages(struct dsc_cmd *cmd, const struct dsc_recipe *r,
                                   struct dsc_stage *stages, int *n, struct dsc_err *err)
{
    for (int i = 0; i < r->n_sections; i++)
        if (r->sections[i].is_stage &&
            take_stage(cmd, stages, (*n)++, r, &r->sections[i], err) != DSC_OK)
            return dsc_recipe_fail_at(err, cmd->args[0], r->sections[i].at);
    if (*n == 0)
        return dsc_fail(err, DSC_E_RECIPE, "no stages: a list of commands under 'stages:'");
    return apply_sets(cmd, stages, *n, err);
}

enum dsc_status dsc_stages_read(struct dsc_cmd *cmd, struct dsc_stage **stages, int *n,
                                struct dsc_err *err)
{
    const char *path = cmd->args[0], *last = NULL;
    struct dsc_recipe r;
    int k = 0;

    *n = 0;
    DSC_TRY(dsc_recipe_read(&r, path, cmd->arena, err));
    DSC_TRY(dsc_recipe_check_rest(cmd, &r, path, err));
    DSC_NEW(*stages, cmd->arena, r.n_sections + 1, err);
    if (take_stages(cmd, &r, *stages, n, err) != DSC_OK)
        return dsc_err_file(err, path);
    for (int i = 0; i < r.n_sections; i++) {
        struct dsc_stage *s = &(*stages)[k];

        if (!r.sections[i].is_stage)
            continue;
        DSC_TRY(dsc_recipe_stage(&s->cmd, &r, &r.sections[i], path, err));
        if (finish_stage(s, &last, err) != DSC_OK)
            return dsc_recipe_fail_at(err, path, s->at);
        k++;
    }
    return DSC_OK;
}

/* ---- identity ---- */

static void add_text(struct dsc_sha256 *h, const char *text)
{
    dsc_sha256_add(h, text, strlen(text) + 1);
}

/* A text that may name a file: then what is in it. */
static enum dsc_status add_named(struct dsc_sha256 *h, const char *text, struct dsc_err *err)
{
    char hex[65];

    add_text(h, text);
    if (!*text || access(text, F_OK) != 0)
        return DSC_OK;
    DSC_TRY(dsc_provenance_hash_model(text, hex, err));
    add_text(h, hex);
    return DSC_OK;
}

enum dsc_status dsc_stage_key(const struct dsc_stage *s, char hex[65], struct dsc_err *err)
{
    struct dsc_sha256 h;

    dsc_sha256_init(&h);
    add_text(&h, DSC_VERSION);
    add_text(&h, s->cmd.row->name);
    for (int i = 0; i < s->cmd.n_args; i++)
        DSC_TRY(add_named(&h, s->cmd.args[i], err));
    for (int i = 0; i < DSC_OPT_COUNT; i++) {
        const enum dsc_opt_id id = (enum dsc_opt_id)i;
        const struct dsc_opt_value *v = &s->cmd.opts.v[i];

        if (v->n_given == 0 || is_among(id, shown, sizeof shown / sizeof shown[0]))
            continue;
        add_text(&h, dsc_opt_rows[i].name);
        for (int k = 0; k < v->n_items; k++) {
            if (is_among(id, written, sizeof written / sizeof written[0]))
                add_text(&h, v->items[k]);
            else
                DSC_TRY(add_named(&h, v->items[k], err));
        }
    }
    dsc_sha256_hex(&h, hex);
    return DSC_OK;
}
