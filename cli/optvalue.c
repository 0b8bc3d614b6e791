/* Values of options: bound, checked, read. */
#include "optvalue.h"

#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum dsc_status dsc_opt_add_item(struct dsc_cmd *cmd, struct dsc_opt_value *v, const char *text,
                                 struct dsc_err *err)
{
    const char **grown;

    if ((v->n_items & (v->n_items - 1)) == 0) {
        DSC_NEW(grown, cmd->arena, v->n_items ? 2 * v->n_items : 1, err);
        if (v->n_items)
            memcpy(grown, v->items, (size_t)v->n_items * sizeof *grown);
        v->items = grown;
    }
    v->items[v->n_items++] = text;
    return DSC_OK;
}

enum dsc_status dsc_opt_add_list(struct dsc_cmd *cmd, struct dsc_opt_value *v, const char *text,
                                 struct dsc_err *err)
{
    while (true) {
        const size_t n = strcspn(text, ",");
        const char *item = dsc_arena_strndup(cmd->arena, text, n, err);

        if (!item)
            return err->status;
        DSC_TRY(dsc_opt_add_item(cmd, v, item, err));
        if (!text[n])
            return DSC_OK;
        text += n + 1;
    }
}

static bool is_list(const struct dsc_opt_row *row)
{
    return row->kind == DSC_OPTKIND_LIST || row->kind == DSC_OPTKIND_INTS;
}

static bool parse_int(const char *text, int64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoll(text, &end, 10);
    return end != text && !*end && errno == 0;
}

static bool parse_float(const char *text, double *value)
{
    char *end;

    *value = strtod(text, &end);
    return end != text && !*end && *value - *value == 0;
}

static bool parse_size(const char *text, uint64_t *value)
{
    static const char suffixes[] = "kMGT";
    char *end;
    double x = strtod(text, &end), scale = 1;
    const char *at = *end ? strchr(suffixes, *end == 'K' ? 'k' : *end) : NULL;

    if (end == text || !(x >= 0))
        return false;
    if (at) {
        const double step = end[1] == 'i' ? 1024 : 1000;

        for (const char *p = suffixes; p <= at; p++)
            scale *= step;
        end += end[1] == 'i' ? 2 : 1;
    }
    end += *end == 'B';
    x *= scale;
    if (*end || !(x < 9e18))
        return false;
    *value = (uint64_t)x;
    return true;
}

static bool in_int_limits(const struct dsc_opt_row *row, int64_t x)
{
    char *end;
    int64_t low, high;

    if (!row->limits[0])
        return true;
    low = strtoll(row->limits, &end, 10);
    high = strtoll(end + 2, NULL, 10);
    return x >= low && x <= high;
}

static bool in_float_limits(const struct dsc_opt_row *row, double x)
{
    const char *dots = strstr(row->limits, "..");

    if (!dots)
        return true;
    return x >= strtod(row->limits, NULL) && x <= strtod(dots + 2, NULL);
}

static int enum_index(const struct dsc_opt_row *row, const char *text)
{
    const size_t n = strlen(text);
    const char *p = row->limits;

    for (int i = 0;; i++) {
        const size_t n_word = strcspn(p, "|");

        if (n_word == n && !strncmp(p, text, n))
            return i;
        if (!p[n_word])
            return -1;
        p += n_word + 1;
    }
}

static enum dsc_status bad_enum(struct dsc_cmd *cmd, const struct dsc_opt_row *row,
                                const char *text, struct dsc_err *err)
{
    struct dsc_opt_value words = {0};
    char *limits = dsc_arena_strdup(cmd->arena, row->limits, err);
    const char *near;

    if (!limits)
        return err->status;
    for (char *p = limits; *p; p++)
        *p = *p == '|' ? ',' : *p;
    DSC_TRY(dsc_opt_add_list(cmd, &words, limits, err));
    near = dsc_nearest(text, words.items, words.n_items);
    dsc_fail(err, DSC_E_USAGE, "option --%s does not know '%s'", row->name, text);
    if (near)
        return dsc_err_hint(err, "did you mean %s?", near);
    return dsc_err_hint(err, "it takes one of: %s", limits);
}

static enum dsc_status check_item(struct dsc_cmd *cmd, const struct dsc_opt_row *row,
                                  const char *text, struct dsc_err *err)
{
    const char *what = "a number";
    bool is_good = true;
    struct dsc_ramp ramp;
    int64_t i;
    double x;
    uint64_t u;

    switch (row->kind) {
    case DSC_OPTKIND_ENUM:
        return enum_index(row, text) < 0 ? bad_enum(cmd, row, text, err) : DSC_OK;
    case DSC_OPTKIND_INT:
    case DSC_OPTKIND_INTS:
        what = "a whole number";
        is_good = parse_int(text, &i) && in_int_limits(row, i);
        break;
    case DSC_OPTKIND_FLOAT:
        is_good = parse_float(text, &x) && in_float_limits(row, x);
        break;
    case DSC_OPTKIND_RAMP:
        is_good = dsc_ramp_parse(text, &ramp);
        for (int k = 0; is_good && k < ramp.n; k++)
            is_good = in_float_limits(row, ramp.v[k]);
        break;
    case DSC_OPTKIND_SIZE:
        what = "a size such as 15MB, 2GiB or 15M";
        is_good = parse_size(text, &u);
        break;
    default:
        what = "a value";
        is_good = text[0] != 0 || row->kind == DSC_OPTKIND_MAYBE;
        break;
    }
    if (is_good)
        return DSC_OK;
    if (row->limits[0])
        return dsc_fail(err, DSC_E_USAGE, "option --%s takes %s in %s, not '%s'", row->name, what,
                        row->limits, text);
    return dsc_fail(err, DSC_E_USAGE, "option --%s takes %s, not '%s'", row->name, what, text);
}

enum dsc_status dsc_opt_bind(struct dsc_cmd *cmd, enum dsc_opt_id id, const char *value,
                             struct dsc_err *err)
{
    const struct dsc_opt_row *row = &dsc_opt_rows[id];
    struct dsc_opt_value *v = &cmd->opts.v[id];

    v->n_given++;
    if (!row->is_repeatable)
        v->n_items = 0;
    if (row->kind == DSC_OPTKIND_FLAG || (row->kind == DSC_OPTKIND_MAYBE && !value))
        return DSC_OK;
    if (is_list(row))
        DSC_TRY(dsc_opt_add_list(cmd, v, value, err));
    else
        DSC_TRY(dsc_opt_add_item(cmd, v, value, err));
    for (int i = 0; i < v->n_items; i++)
        DSC_TRY(check_item(cmd, row, v->items[i], err));
    return DSC_OK;
}

bool dsc_opt_is_set(struct dsc_cmd *cmd, enum dsc_opt_id id)
{
    cmd->opts.v[id].is_used = true;
    return cmd->opts.v[id].n_given > 0;
}

bool dsc_opt_flag(struct dsc_cmd *cmd, enum dsc_opt_id id)
{
    return dsc_opt_is_set(cmd, id);
}

const char *dsc_opt_text(struct dsc_cmd *cmd, enum dsc_opt_id id)
{
    const struct dsc_opt_value *v = &cmd->opts.v[id];

    cmd->opts.v[id].is_used = true;
    if (v->n_items > 0)
        return v->items[v->n_items - 1];
    return dsc_opt_rows[id].dflt[0] ? dsc_opt_rows[id].dflt : NULL;
}

int64_t dsc_opt_int(struct dsc_cmd *cmd, enum dsc_opt_id id)
{
    const char *text = dsc_opt_text(cmd, id);

    return text ? dsc_opt_item_int(text) : 0;
}

int64_t dsc_opt_item_int(const char *item)
{
    return strtoll(item, NULL, 10);
}

double dsc_opt_float(struct dsc_cmd *cmd, enum dsc_opt_id id)
{
    const char *text = dsc_opt_text(cmd, id);

    return text ? strtod(text, NULL) : 0;
}

struct dsc_ramp dsc_opt_ramp(struct dsc_cmd *cmd, enum dsc_opt_id id)
{
    const char *text = dsc_opt_text(cmd, id);
    struct dsc_ramp r = {.n = 1};

    if (text)
        dsc_ramp_parse(text, &r);
    return r;
}

uint64_t dsc_opt_size(struct dsc_cmd *cmd, enum dsc_opt_id id)
{
    const char *text = dsc_opt_text(cmd, id);
    uint64_t n = 0;

    if (text)
        parse_size(text, &n);
    return n;
}

int dsc_opt_enum(struct dsc_cmd *cmd, enum dsc_opt_id id)
{
    const char *text = dsc_opt_text(cmd, id);

    return text ? enum_index(&dsc_opt_rows[id], text) : -1;
}

const char *const *dsc_opt_items(struct dsc_cmd *cmd, enum dsc_opt_id id, int *n_items)
{
    struct dsc_opt_value *v = &cmd->opts.v[id];
    const struct dsc_opt_row *row = &dsc_opt_rows[id];
    struct dsc_err err = {0};

    v->is_used = true;
    if (v->n_items == 0 && row->dflt[0])
        dsc_opt_add_list(cmd, v, row->dflt, &err);
    *n_items = v->n_items;
    return v->items;
}

enum dsc_status dsc_opt_resolve(struct dsc_cmd *cmd, enum dsc_opt_id id, const char *text,
                                struct dsc_err *err)
{
    struct dsc_opt_value *v = &cmd->opts.v[id];

    v->is_used = true;
    if (v->n_items > 0)
        return DSC_OK;
    text = dsc_arena_strdup(cmd->arena, text, err);
    return text ? dsc_opt_add_item(cmd, v, text, err) : DSC_E_MEMORY;
}

void dsc_opt_disregard(struct dsc_cmd *cmd, const enum dsc_opt_id *ids, int n)
{
    for (int i = 0; i < n; i++)
        cmd->opts.v[ids[i]].is_used = false;
}

bool dsc_opt_pair(const char *text, char *key, size_t key_bytes, const char **value)
{
    const char *eq = strchr(text, '=');
    const size_t n = eq ? (size_t)(eq - text) : 0;

    if (!eq || n == 0 || n >= key_bytes)
        return false;
    memcpy(key, text, n);
    key[n] = 0;
    *value = eq + 1;
    return true;
}
