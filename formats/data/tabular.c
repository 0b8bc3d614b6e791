/* What is known of a table's columns: from options, and in a model's metadata. */
#include "tabular.h"

#include "formats_props.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_COLUMNS_MAX = DSC_COLS_MAX - DSC_N_COLS - 2, STEPS_MAX = 65536 };

static const char *const kinds[DSC_N_FEATURES] = {"number", "log", "time", "category"};

static int kind_of(const char *word)
{
    for (int k = 0; k < DSC_N_FEATURES; k++)
        if (strcmp(kinds[k], word) == 0)
            return k;
    return -1;
}

int64_t dsc_table_n_channels(const struct dsc_table *t)
{
    int64_t n = 0;

    for (size_t i = 0; i < t->n_columns; i++)
        n += t->columns[i].kind == DSC_FEATURE_CATEGORY ? 0
             : t->columns[i].kind == DSC_FEATURE_TIME   ? 3
                                                        : 1;
    return n;
}

/* Both from options and from a file: columns that can be inputs of one graph. */
static enum dsc_status check(const struct dsc_table *t, enum dsc_status fault, struct dsc_err *err)
{
    if (t->n_columns < 1 || t->n_columns > TABLE_COLUMNS_MAX)
        return dsc_fail(err, fault, "a table of %zu columns, 1 to %d can be read", t->n_columns,
                        TABLE_COLUMNS_MAX);
    if (t->n_steps < 1 || t->n_steps > STEPS_MAX)
        return dsc_fail(err, fault, "steps are 1 to %d", STEPS_MAX);
    for (size_t i = 0; i < t->n_columns; i++) {
        const char *name = t->columns[i].name;

        if (*name == '\0' || strcmp(name, DSC_TABLE_NUMBERS) == 0 ||
            strcmp(name, DSC_TABLE_LENGTHS) == 0)
            return dsc_fail(err, fault, "a column cannot be called '%s'", name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(t->columns[k].name, name) == 0)
                return dsc_fail(err, fault, "column '%s' stands twice", name);
    }
    return dsc_table_n_channels(t) > 0
               ? DSC_OK
               : dsc_fail(err, fault, "a table needs a column of numbers or times");
}

static enum dsc_status parse_feature(struct dsc_table_column *c, const char *item,
                                     struct dsc_arena *arena, struct dsc_err *err)
{
    const char *eq = strrchr(item, '=');
    const int kind = eq ? kind_of(eq + 1) : -1;

    if (kind < 0) {
        dsc_fail(err, DSC_E_USAGE, "--features takes COLUMN=KIND, not '%s'", item);
        return dsc_err_hint(err, "kinds are number, log, time, category");
    }
    c->kind = (enum dsc_feature)kind;
    c->name = dsc_arena_strndup(arena, item, (size_t)(eq - item), err);
    return c->name ? DSC_OK : DSC_E_MEMORY;
}

static enum dsc_status parse_sequence(struct dsc_table *t, const char *item,
                                      struct dsc_arena *arena, struct dsc_err *err)
{
    const char *eq = strchr(item, '=');
    const char *value = eq ? dsc_arena_strdup(arena, eq + 1, err) : NULL;

    if (eq && !value)
        return DSC_E_MEMORY;
    if (eq && strncmp(item, "key=", 4) == 0)
        t->key = value;
    else if (eq && strncmp(item, "order=", 6) == 0)
        t->order = value;
    else if (eq && strncmp(item, "steps=", 6) == 0)
        t->n_steps = strtoll(value, NULL, 10);
    else
        return dsc_fail(err, DSC_E_USAGE,
                        "--sequence takes key=COLUMN, order=COLUMN, steps=N, not '%s'", item);
    return DSC_OK;
}

enum dsc_status dsc_table_parse(struct dsc_table *t, const char *const *features, int n_features,
                                const char *const *sequence, int n_sequence,
                                struct dsc_arena *arena, struct dsc_err *err)
{
    *t = (struct dsc_table){.n_columns = (size_t)n_features, .label = "label", .n_steps = 1};
    DSC_NEW(t->columns, arena, n_features + 1, err);
    for (int i = 0; i < n_features; i++)
        DSC_TRY(parse_feature(&t->columns[i], features[i], arena, err));
    for (int i = 0; i < n_sequence; i++)
        DSC_TRY(parse_sequence(t, sequence[i], arena, err));
    return check(t, DSC_E_USAGE, err);
}

static enum dsc_status text_of(const json_t *v, bool is_needed, const char **text,
                               struct dsc_arena *arena, struct dsc_err *err)
{
    *text = NULL;
    if (!json_is_string(v))
        return !v && !is_needed ? DSC_OK
                                : dsc_fail(err, DSC_E_SCHEMA, "%s lacks a name", DSC_PROP_TABLE);
    *text = dsc_arena_strndup(arena, json_string_value(v), json_string_length(v), err);
    return *text ? DSC_OK : DSC_E_MEMORY;
}

static enum dsc_status column_of(const json_t *o, struct dsc_table_column *c,
                                 struct dsc_arena *arena, struct dsc_err *err)
{
    const json_t *values = json_object_get(o, "values");
    const char *kind, **names;

    DSC_TRY(text_of(json_object_get(o, "name"), true, &c->name, arena, err));
    DSC_TRY(text_of(json_object_get(o, "kind"), true, &kind, arena, err));
    if (kind_of(kind) < 0 || (values && !json_is_array(values)))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: column '%s' is of no known kind", DSC_PROP_TABLE,
                        c->name);
    c->kind = (enum dsc_feature)kind_of(kind);
    c->n_values = json_array_size(values);
    DSC_NEW(names, arena, c->n_values + 1, err);
    for (size_t i = 0; i < c->n_values; i++) {
        DSC_TRY(text_of(json_array_get(values, i), true, &names[i], arena, err));
        if (i > 0 && strcmp(names[i - 1], names[i]) >= 0)
            return dsc_fail(err, DSC_E_SCHEMA, "%s: values of '%s' are not in order",
                            DSC_PROP_TABLE, c->name);
    }
    c->values = names;
    return DSC_OK;
}

static enum dsc_status from_json(struct dsc_table *t, const json_t *root, struct dsc_arena *arena,
                                 struct dsc_err *err)
{
    const json_t *columns = json_object_get(root, "columns");

    if (!json_is_array(columns))
        return dsc_fail(err, DSC_E_SCHEMA, "%s has no list of columns", DSC_PROP_TABLE);
    t->n_columns = json_array_size(columns);
    t->n_steps = json_integer_value(json_object_get(root, "steps"));
    DSC_NEW(t->columns, arena, t->n_columns + 1, err);
    DSC_TRY(text_of(json_object_get(root, "key"), false, &t->key, arena, err));
    DSC_TRY(text_of(json_object_get(root, "order"), false, &t->order, arena, err));
    DSC_TRY(text_of(json_object_get(root, "label"), true, &t->label, arena, err));
    for (size_t i = 0; i < t->n_columns; i++)
        DSC_TRY(column_of(json_array_get(columns, i), &t->columns[i], arena, err));
    return check(t, DSC_E_SCHEMA, err);
}

enum dsc_status dsc_table_of(const struct dsc_graph *g, struct dsc_arena *arena,
                             struct dsc_table *t, bool *has, struct dsc_err *err)
{
    const char *text = dsc_graph_prop(g, DSC_PROP_TABLE);
    json_t *root;
    enum dsc_status st;

    *t = (struct dsc_table){0};
    *has = text != NULL;
    if (!text)
        return DSC_OK;
    root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    st = json_is_object(root) ? from_json(t, root, arena, err)
                              : dsc_fail(err, DSC_E_SCHEMA, "%s is no JSON object", DSC_PROP_TABLE);
    json_decref(root);
    return st;
}

static json_t *column_json(const struct dsc_table_column *c)
{
    json_t *o = json_object(), *values = json_array();

    json_object_set_new(o, "name", json_string(c->name));
    json_object_set_new(o, "kind", json_string(kinds[c->kind]));
    for (size_t i = 0; i < c->n_values; i++)
        json_array_append_new(values, json_string(c->values[i]));
    if (c->kind == DSC_FEATURE_CATEGORY)
        json_object_set_new(o, "values", values);
    else
        json_decref(values);
    return o;
}

enum dsc_status dsc_table_store(struct dsc_graph *g, const struct dsc_table *t, struct dsc_err *err)
{
    json_t *root = json_object(), *columns = json_array();
    json_malloc_t alloc;
    json_free_t release;
    char *text;
    enum dsc_status st;

    json_get_alloc_funcs(&alloc, &release);
    for (size_t i = 0; i < t->n_columns; i++)
        json_array_append_new(columns, column_json(&t->columns[i]));
    json_object_set_new(root, "columns", columns);
    if (t->key)
        json_object_set_new(root, "key", json_string(t->key));
    if (t->order)
        json_object_set_new(root, "order", json_string(t->order));
    json_object_set_new(root, "label", json_string(t->label));
    json_object_set_new(root, "steps", json_integer(t->n_steps));
    text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    st = text && json_array_size(columns) == t->n_columns
             ? dsc_graph_set_prop(g, DSC_PROP_TABLE, text, err)
             : dsc_fail(err, DSC_E_MEMORY, "no memory for the metadata");
    release(text);
    json_decref(root);
    return st;
}
