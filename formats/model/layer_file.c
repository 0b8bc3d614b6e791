/* Plans and sensitivity reports. */
#include "dsc/io.h"
#include "formats_plan.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS_MAX = 1000000 };

static enum dsc_status read_text(const json_t *object, const char *key, struct dsc_arena *arena,
                                 const char **text, struct dsc_err *err)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
        return dsc_fail(err, DSC_E_SCHEMA, "'%s' is missing, or no text", key);
    *text = dsc_arena_strdup(arena, json_string_value(v), err);
    return *text ? DSC_OK : DSC_E_MEMORY;
}

static enum dsc_status read_number(const json_t *object, const char *key, bool is_count,
                                   double *value, struct dsc_err *err)
{
    const json_t *v = json_object_get(object, key);

    *value = json_is_number(v) ? json_number_value(v) : NAN;
    if (!isfinite(*value) || (is_count && !(*value >= 0 && *value < 0x1p53)))
        return dsc_fail(err, DSC_E_SCHEMA, "'%s' is missing, or no number that it can be", key);
    return DSC_OK;
}

static enum dsc_status read_cell(const json_t *object, struct dsc_arena *arena,
                                 struct dsc_layer_cell *c, struct dsc_err *err)
{
    double size_bytes, n_flips;

    DSC_TRY(read_text(object, "format", arena, &c->format, err));
    DSC_TRY(read_number(object, "size_bytes", true, &size_bytes, err));
    DSC_TRY(read_number(object, "flips", true, &n_flips, err));
    DSC_TRY(read_number(object, "sqnr_db", false, &c->sqnr_db, err));
    DSC_TRY(read_number(object, "damage", true, &c->damage, err));
    DSC_TRY(read_number(object, "logit_rmse", true, &c->logit_rmse, err));
    c->size_bytes = (int64_t)size_bytes;
    c->n_flips = (int64_t)n_flips;
    return DSC_OK;
}

static enum dsc_status read_row(const json_t *object, bool is_plan, struct dsc_arena *arena,
                                struct dsc_layer_row *row, struct dsc_err *err)
{
    const json_t *cells = json_object_get(object, "formats");

    DSC_TRY(read_text(object, "name", arena, &row->name, err));
    if (is_plan)
        return read_text(object, "format", arena, &row->format, err);
    if (!json_is_array(cells))
        return dsc_fail(err, DSC_E_SCHEMA, "'formats' is missing, or no list");
    DSC_NEW(row->cells, arena, json_array_size(cells), err);
    for (size_t i = 0; i < json_array_size(cells); i++)
        DSC_TRY(read_cell(json_array_get(cells, i), arena, &row->cells[row->n_cells++], err));
    return DSC_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted: a file may hold a million rows. */
static enum dsc_status check_names(const struct dsc_layer_file *f, struct dsc_arena *arena,
                                   struct dsc_err *err)
{
    const char **names;

    DSC_NEW(names, arena, f->n_rows, err);
    for (int i = 0; i < f->n_rows; i++)
        names[i] = f->rows[i].name;
    qsort(names, (size_t)f->n_rows, sizeof *names, compare_names);
    for (int i = 1; i < f->n_rows; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return dsc_fail(err, DSC_E_DUP, "layer '%s' stands twice", names[i]);
    return DSC_OK;
}

static enum dsc_status read_rows(const json_t *list, bool is_plan, struct dsc_arena *arena,
                                 struct dsc_layer_file *f, struct dsc_err *err)
{
    if (!json_is_array(list))
        return dsc_fail(err, DSC_E_SCHEMA, "'layers' is missing, or no list");
    if (json_array_size(list) > LAYERS_MAX)
        return dsc_fail(err, DSC_E_LIMIT, "%zu layers, limit %d", json_array_size(list),
                        LAYERS_MAX);
    DSC_NEW(f->rows, arena, json_array_size(list), err);
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct dsc_layer_row *row = &f->rows[i];

        if (read_row(json_array_get(list, i), is_plan, arena, row, err) != DSC_OK)
            return dsc_err_where(err, "layer %zu", i);
        f->n_rows++;
    }
    return check_names(f, arena, err);
}

/* What a plan may say of the rows; all of it, or nothing. */
static enum dsc_status read_held_out(const json_t *root, struct dsc_arena *arena,
                                     struct dsc_layer_file *f, struct dsc_err *err)
{
    double n_calib, n_held_out;

    if (!json_object_get(root, "held_out"))
        return DSC_OK;
    DSC_TRY(read_text(root, "calib", arena, &f->calib, err));
    DSC_TRY(read_number(root, "calib_rows", true, &n_calib, err));
    DSC_TRY(read_number(root, "held_out", true, &n_held_out, err));
    if (n_held_out >= n_calib)
        return dsc_fail(err, DSC_E_SCHEMA, "'held_out' is not less than 'calib_rows'");
    f->n_calib = (int64_t)n_calib;
    f->n_held_out = (int64_t)n_held_out;
    return DSC_OK;
}

static enum dsc_status read_root(const json_t *root, const char *schema, struct dsc_arena *arena,
                                 struct dsc_layer_file *f, struct dsc_err *err)
{
    const bool is_plan = strcmp(schema, DSC_PLAN_SCHEMA) == 0;
    const json_t *found = json_object_get(root, "schema");

    if (!json_is_string(found) || strcmp(json_string_value(found), schema) != 0)
        return dsc_fail(err, DSC_E_SCHEMA, "its schema is not %s", schema);
    f->settings = f->calib = "";
    DSC_TRY(read_text(root, "model", arena, &f->model, err));
    DSC_TRY(is_plan ? read_held_out(root, arena, f, err)
                    : read_text(root, "settings", arena, &f->settings, err));
    return read_rows(json_object_get(root, "layers"), is_plan, arena, f, err);
}

enum dsc_status dsc_layer_file_read(struct dsc_layer_file *f, const char *path, const char *schema,
                                    struct dsc_arena *arena, struct dsc_err *err)
{
    struct dsc_file file;
    json_error_t why;
    json_t *root;
    enum dsc_status st;

    *f = (struct dsc_layer_file){0};
    DSC_TRY(dsc_file_open(&file, path, 0, err));
    root = json_loadb((const char *)file.data, file.n_bytes, JSON_REJECT_DUPLICATES, &why);
    dsc_file_close(&file);
    st = root ? read_root(root, schema, arena, f, err)
              : dsc_fail(err, DSC_E_MAGIC, "not JSON: line %d, column %d: %s", why.line, why.column,
                         why.text);
    json_decref(root);
    return st == DSC_OK ? DSC_OK : dsc_err_file(err, path);
}
