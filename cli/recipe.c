/* Recipes: options from a file, and options as one. */
#include "recipe.h"

#include "formats_recipe.h"
#include "formats_text.h"
#include "optvalue.h"

#include <stdio.h>
#include <string.h>

/* These say what a run does with options; a recipe holds options. */
static const enum dsc_opt_id outside[] = {DSC_OPT_recipe, DSC_OPT_set, DSC_OPT_print_recipe,
                                          DSC_OPT_help, DSC_OPT_version};

bool dsc_recipe_is_outside(enum dsc_opt_id id)
{
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        if (outside[i] == id)
            return true;
    return false;
}

static enum dsc_status find(const char *name, const char *verb, enum dsc_status class,
                            enum dsc_opt_id *id, struct dsc_err *err)
{
    const char *near;

    *id = dsc_opt_find(name, verb);
    if (*id == DSC_OPT_COUNT) {
        near = dsc_opt_nearest(name, verb);
        dsc_fail(err, class, "'%s' has no option '%s'", verb, name);
        if (near)
            dsc_err_hint(err, "did you mean %s?", near);
        else
            dsc_err_hint(err, "see: dscompress help %s", verb);
        return class;
    }
    if (dsc_recipe_is_outside(*id))
        return dsc_fail(err, class, "'%s' is for the command line alone", name);
    return DSC_OK;
}

enum dsc_status dsc_recipe_bind(struct dsc_cmd *cmd, enum dsc_opt_id id, const char *text,
                                bool is_plain, struct dsc_err *err)
{
    const struct dsc_opt_row *row = &dsc_opt_rows[id];
    const bool is_true = is_plain && strcmp(text, "true") == 0;
    const bool is_false = is_plain && strcmp(text, "false") == 0;

    if (row->kind == DSC_OPTKIND_FLAG && !is_true && !is_false)
        return dsc_fail(err, DSC_E_USAGE, "option --%s is true or false, not '%s'", row->name,
                        text);
    if (is_false && (row->kind == DSC_OPTKIND_FLAG || row->kind == DSC_OPTKIND_MAYBE)) {
        cmd->opts.v[id].n_given = cmd->opts.v[id].n_items = 0;
        return DSC_OK;
    }
    return dsc_opt_bind(cmd, id, is_true && row->kind == DSC_OPTKIND_MAYBE ? NULL : text, err);
}

static enum dsc_status apply_sets(struct dsc_cmd *cmd, bool *is_said, struct dsc_err *err)
{
    int n;
    const char *const *items = dsc_opt_items(cmd, DSC_OPT_set, &n);
    bool on_line[DSC_OPT_COUNT];

    memcpy(on_line, is_said, sizeof on_line);
    for (int i = 0; i < n; i++) {
        enum dsc_opt_id id;
        const char *value;
        char name[64];
        bool may_be_useless;
        size_t n_name;

        if (!dsc_opt_pair(items[i], name, sizeof name, &value))
            return dsc_fail(err, DSC_E_USAGE, "--set takes NAME=VALUE, not '%s'", items[i]);
        n_name = strlen(name);
        may_be_useless = n_name > 0 && name[n_name - 1] == '?';
        name[n_name - may_be_useless] = '\0';
        DSC_TRY(find(name, cmd->row->name, DSC_E_USAGE, &id, err));
        is_said[id] = true;
        if (on_line[id])
            continue;
        cmd->opts.v[id].line = DSC_OPT_BY_SET;
        cmd->opts.v[id].is_used = may_be_useless;
        DSC_TRY(dsc_recipe_bind(cmd, id, value, true, err));
    }
    return DSC_OK;
}

/* A list as the command line has it: with commas. */
static enum dsc_status join(struct dsc_arena *arena, const struct dsc_recipe_entry *e,
                            const char **text, struct dsc_err *err)
{
    const char *all = e->values[0].text;

    for (int i = 1; all && i < e->n_values; i++)
        all = dsc_arena_printf(arena, err, "%s,%s", all, e->values[i].text);
    *text = all;
    return all ? DSC_OK : DSC_E_MEMORY;
}

static enum dsc_status bind_entry(struct dsc_cmd *cmd, enum dsc_opt_id id,
                                  const struct dsc_recipe_entry *e, struct dsc_err *err)
{
    const struct dsc_opt_row *row = &dsc_opt_rows[id];
    const char *text;

    cmd->opts.v[id].line = e->at.line;
    cmd->opts.v[id].is_used = e->may_be_useless;
    if (e->is_list && (row->kind == DSC_OPTKIND_LIST || row->kind == DSC_OPTKIND_INTS)) {
        DSC_TRY(join(cmd->arena, e, &text, err));
        return dsc_recipe_bind(cmd, id, text, false, err);
    }
    if (e->is_list && !row->is_repeatable)
        return dsc_fail(err, DSC_E_RECIPE, "option '%s' takes one value, not a list", e->name);
    for (int i = 0; i < e->n_values; i++)
        DSC_TRY(dsc_recipe_bind(cmd, id, e->values[i].text, e->values[i].is_plain, err));
    return DSC_OK;
}

/* What has been said elsewhere, and what is another verb's, is checked and has no effect. */
static enum dsc_status apply_entry(struct dsc_cmd *cmd, const struct dsc_recipe_entry *e,
                                   const bool *is_said, bool *is_in_recipe, struct dsc_err *err)
{
    const struct dsc_command *verb = e->section ? dsc_command_find(e->section->verb) : cmd->row;
    struct dsc_cmd *aside;
    enum dsc_opt_id id;

    DSC_TRY(find(e->name, verb->name, DSC_E_RECIPE, &id, err));
    if (verb == cmd->row) {
        if (is_in_recipe[id])
            return dsc_fail(err, DSC_E_RECIPE, "'%s' stands at the top and under '%s'", e->name,
                            verb->name);
        is_in_recipe[id] = true;
        if (!is_said[id])
            return bind_entry(cmd, id, e, err);
    }
    DSC_NEW(aside, cmd->arena, 1, err);
    aside->arena = cmd->arena;
    return bind_entry(aside, id, e, err);
}

static enum dsc_status check_section(const struct dsc_cmd *cmd,
                                     const struct dsc_recipe_section *section, struct dsc_err *err)
{
    const char *names[64];
    const char *near;
    int n = 0;

    if (section->is_stage && !cmd->row->has_stages) {
        dsc_fail(err, DSC_E_RECIPE, "'%s' runs no stages", cmd->row->name);
        return dsc_err_hint(err, "dscompress pipeline RECIPE.yaml runs them");
    }
    if (dsc_command_find(section->verb))
        return DSC_OK;
    if (dsc_opt_find(section->verb, cmd->row->name) != DSC_OPT_COUNT)
        return dsc_fail(err, DSC_E_RECIPE, "'%s' is an option: it takes a value, not a mapping",
                        section->verb);
    while (dsc_commands[n] && n < 64) {
        names[n] = dsc_commands[n]->name;
        n++;
    }
    near = dsc_nearest(section->verb, names, n);
    dsc_fail(err, DSC_E_RECIPE, "'%s' is no command: it holds no options", section->verb);
    if (near)
        dsc_err_hint(err, "did you mean %s?", near);
    return DSC_E_RECIPE;
}

enum dsc_status dsc_recipe_fail_at(struct dsc_err *err, const char *path,
                                   struct dsc_recipe_place at)
{
    if (err->status == DSC_E_USAGE) /* of a value */
        err->status = DSC_E_RECIPE;
    dsc_recipe_where(err, at);
    return dsc_err_file(err, path);
}

static enum dsc_status apply_recipe(struct dsc_cmd *cmd, const char *path, const bool *is_said,
                                    struct dsc_err *err)
{
    bool is_in_recipe[DSC_OPT_COUNT] = {false};
    struct dsc_recipe r;

    DSC_TRY(dsc_recipe_read(&r, path, cmd->arena, err));
    for (int i = 0; i < r.n_sections; i++)
        if (check_section(cmd, &r.sections[i], err) != DSC_OK)
            return dsc_recipe_fail_at(err, path, r.sections[i].at);
    for (int i = 0; i < r.n_entries; i++)
        if (apply_entry(cmd, &r.entries[i], is_said, is_in_recipe, err) != DSC_OK)
            return dsc_recipe_fail_at(err, path, r.entries[i].at);
    return DSC_OK;
}

/* ---- stages ---- */

bool dsc_recipe_is_of_stage(const char *name)
{
    return strcmp(name, "args") == 0 || strcmp(name, "name") == 0;
}

/* Where an entry counts for a stage: 0 in its own mapping, 1 in its verb's, 2 at the top; -1 it
 * does not. */
static int rank_of(const struct dsc_recipe_entry *e, const struct dsc_recipe_section *s)
{
    if (!e->section)
        return 2;
    if (e->section == s)
        return 0;
    return !e->section->is_stage && strcmp(e->section->verb, s->verb) == 0 ? 1 : -1;
}

static enum dsc_status take_entry(struct dsc_cmd *stage, const struct dsc_recipe_entry *e,
                                  bool may_lack, bool *is_said, struct dsc_err *err)
{
    enum dsc_opt_id id;

    if (may_lack && dsc_opt_find(e->name, stage->row->name) == DSC_OPT_COUNT)
        return DSC_OK;
    DSC_TRY(find(e->name, stage->row->name, DSC_E_RECIPE, &id, err));
    if (is_said[id])
        return DSC_OK;
    is_said[id] = true;
    DSC_TRY(bind_entry(stage, id, e, err));
    stage->opts.v[id].is_used = may_lack || e->may_be_useless;
    return DSC_OK;
}

enum dsc_status dsc_recipe_stage(struct dsc_cmd *stage, const struct dsc_recipe *r,
                                 const struct dsc_recipe_section *s, const char *path,
                                 struct dsc_err *err)
{
    bool is_said[DSC_OPT_COUNT];

    for (int i = 0; i < DSC_OPT_COUNT; i++)
        is_said[i] = stage->opts.v[i].n_given > 0;
    for (int rank = 0; rank < 3; rank++)
        for (int i = 0; i < r->n_entries; i++) {
            const struct dsc_recipe_entry *e = &r->entries[i];

            if (rank_of(e, s) == rank && !(rank == 0 && dsc_recipe_is_of_stage(e->name)) &&
                take_entry(stage, e, rank == 2, is_said, err) != DSC_OK)
                return dsc_recipe_fail_at(err, path, e->at);
        }
    return DSC_OK;
}

/* What no stage took has not been looked at. */
enum dsc_status dsc_recipe_check_rest(const struct dsc_cmd *cmd, const struct dsc_recipe *r,
                                      const char *path, struct dsc_err *err)
{
    for (int i = 0; i < r->n_sections; i++)
        if (check_section(cmd, &r->sections[i], err) != DSC_OK)
            return dsc_recipe_fail_at(err, path, r->sections[i].at);
    for (int i = 0; i < r->n_entries; i++) {
        const struct dsc_recipe_entry *e = &r->entries[i];
        struct dsc_cmd *aside;
        bool is_said[DSC_OPT_COUNT] = {false};
        const char *near = dsc_opt_nearest(e->name, NULL);
        int n_takers = 0;

        if (e->section && e->section->is_stage)
            continue;
        for (int k = 0; k < r->n_sections; k++) {
            const char *verb = r->sections[k].verb;

            n_takers += r->sections[k].is_stage && dsc_opt_find(e->name, verb) != DSC_OPT_COUNT;
        }
        DSC_NEW(aside, cmd->arena, 1, err);
        aside->arena = cmd->arena;
        aside->row = e->section ? dsc_command_find(e->section->verb) : NULL;
        if (e->section && take_entry(aside, e, false, is_said, err) != DSC_OK)
            return dsc_recipe_fail_at(err, path, e->at);
        if (e->section || n_takers > 0)
            continue;
        dsc_fail(err, DSC_E_RECIPE, "no stage has an option '%s'", e->name);
        if (near && strcmp(near, e->name) != 0)
            dsc_err_hint(err, "did you mean %s?", near);
        return dsc_recipe_fail_at(err, path, e->at);
    }
    return DSC_OK;
}

enum dsc_status dsc_recipe_apply(struct dsc_cmd *cmd, struct dsc_err *err)
{
    const char *path;
    bool is_said[DSC_OPT_COUNT];

    if (cmd->row->has_stages) /* whose options these are */
        return DSC_OK;
    path = dsc_opt_text(cmd, DSC_OPT_recipe);
    for (int i = 0; i < DSC_OPT_COUNT; i++)
        is_said[i] = cmd->opts.v[i].n_given > 0;
    DSC_TRY(apply_sets(cmd, is_said, err));
    return path ? apply_recipe(cmd, path, is_said, err) : DSC_OK;
}

/* ---- printing ---- */

/* Would a reader take it for something else without quotes? */
static bool needs_quotes(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./";

    if (!*text || !strchr(plain, *text) ||
        text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789_./=+-%")] != 0)
        return true;
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "null") == 0;
}

static enum dsc_status add_text(struct dsc_bytes *b, const struct dsc_opt_row *row,
                                const char *text, struct dsc_err *err)
{
    const size_t n = strlen(text);

    if (!needs_quotes(text)) {
        dsc_bytes_text(b, text);
        return DSC_OK;
    }
    if (dsc_utf8_check(text, n) != n)
        return dsc_fail(err, DSC_E_ENCODING, "the value of --%s is not UTF-8", row->name);
    dsc_bytes_text(b, "\"");
    for (const char *p = text; *p; p++) {
        const unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\')
            dsc_bytes_printf(b, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            dsc_bytes_printf(b, "\\x%02x", c);
        else
            dsc_bytes_add(b, p, 1);
    }
    dsc_bytes_text(b, "\"");
    return DSC_OK;
}

static void add_origin(struct dsc_bytes *b, int line)
{
    if (line > 0)
        dsc_bytes_printf(b, "  # line %d\n", line);
    else
        dsc_bytes_text(b, line == DSC_OPT_BY_SET ? "  # --set\n" : "  # command line\n");
}

static enum dsc_status add_option(struct dsc_bytes *b, const char *indent, enum dsc_opt_id id,
                                  const struct dsc_opt_value *v, bool may_be_useless,
                                  struct dsc_err *err)
{
    const struct dsc_opt_row *row = &dsc_opt_rows[id];

    dsc_bytes_printf(b, "%s%s%s: ", indent, row->name, may_be_useless ? "?" : "");
    if (v->n_items == 0)
        dsc_bytes_text(b, "true");
    if (v->n_items > 1)
        dsc_bytes_text(b, "[");
    for (int i = 0; i < v->n_items; i++) {
        dsc_bytes_text(b, i ? ", " : "");
        DSC_TRY(add_text(b, row, v->items[i], err));
    }
    dsc_bytes_text(b, v->n_items > 1 ? "]" : "");
    add_origin(b, v->line);
    return DSC_OK;
}

/* What a stage has beside options. */
static enum dsc_status add_stage(struct dsc_bytes *b, const char *indent, const struct dsc_cmd *cmd,
                                 const char *name, struct dsc_err *err)
{
    static const struct dsc_opt_row args = {.name = "args"};

    if (strcmp(name, cmd->row->name) != 0)
        dsc_bytes_printf(b, "%sname: %s\n", indent, name);
    if (cmd->n_args == 0)
        return DSC_OK;
    dsc_bytes_printf(b, "%sargs: [", indent);
    for (int i = 0; i < cmd->n_args; i++) {
        dsc_bytes_text(b, i ? ", " : "");
        DSC_TRY(add_text(b, &args, cmd->args[i], err));
    }
    dsc_bytes_text(b, "]\n");
    return DSC_OK;
}

enum dsc_status dsc_recipe_print_options(struct dsc_cmd *cmd, const char *head, const char *indent,
                                         const char *stage, FILE *f, struct dsc_err *err)
{
    struct dsc_bytes given = {0}, others = {0};
    enum dsc_status st = stage ? add_stage(&given, indent, cmd, stage, err) : DSC_OK;

    for (int i = 0; i < DSC_OPT_COUNT && st == DSC_OK; i++) {
        const struct dsc_opt_row *row = &dsc_opt_rows[i];
        const struct dsc_opt_value *v = &cmd->opts.v[i];
        const bool may_be_useless = stage && v->is_used && row->verbs[0] != '*';

        cmd->opts.v[i].is_used = true;
        if (!dsc_opt_takes(row, cmd->row->name) || dsc_recipe_is_outside((enum dsc_opt_id)i))
            continue;
        if (v->n_given)
            st = add_option(&given, indent, (enum dsc_opt_id)i, v, may_be_useless, err);
        else if (row->dflt[0])
            dsc_bytes_printf(&others, "%s# %s: %s\n", indent, row->name, row->dflt);
    }
    if (st == DSC_OK && (given.is_failed || others.is_failed))
        st = dsc_fail(err, DSC_E_MEMORY, "no memory for the recipe");
    if (st == DSC_OK) {
        fprintf(f, "%s%s:%s\n", head, cmd->row->name, given.n_bytes ? "" : " {}");
        fwrite(given.data, 1, given.n_bytes, f);
        fwrite(others.data, 1, others.n_bytes, f);
    }
    dsc_bytes_clear(&given);
    dsc_bytes_clear(&others);
    return st;
}

enum dsc_status dsc_recipe_print(struct dsc_cmd *cmd, struct dsc_err *err)
{
    fputs(DSC_RECIPE_HEAD, cmd->out);
    return dsc_recipe_print_options(cmd, "", "  ", NULL, cmd->out, err);
}
