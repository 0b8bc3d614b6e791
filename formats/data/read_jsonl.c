/*
 * JSON lines: one object a line, its keys are the columns. Labels may be strings, numbers or
 * booleans. Keys that nobody asked for are ignored.
 */
#include "reader.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum dsc_status begin(struct dsc_rows *r, struct dsc_err *err)
{
    return DSC_OK;
}

/* A label as text: numbers as JSON writes them, so that 1.0 stays a number with a fraction. */
static enum dsc_status label_text(const json_t *v, struct dsc_rows *r, struct dsc_cell *cell,
                                  struct dsc_err *err)
{
    char buf[64];
    size_t n = 0;
    char *s;

    if (json_is_boolean(v))
        n = (size_t)snprintf(buf, sizeof buf, "%s", json_is_true(v) ? "true" : "false");
    for (size_t digits = 15; n == 0 && digits <= 17; digits++) { /* the shortest that reads back */
        const size_t n_out =
            json_dumpb(v, buf, sizeof buf - 1, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));

        if (n_out > 0 && n_out < sizeof buf) {
            buf[n_out] = '\0';
            if (json_is_integer(v) || digits == 17 || strtod(buf, NULL) == json_real_value(v))
                n = n_out;
        }
    }
    if (n == 0)
        return dsc_fail(err, DSC_E_INTERNAL, "a JSON number that cannot be written");
    s = dsc_arena_strndup(r->arena, buf, n, err);
    if (!s)
        return DSC_E_MEMORY;
    *cell = (struct dsc_cell){{s, n}, true};
    return DSC_OK;
}

static enum dsc_status take_cell(const json_t *object, int c, struct dsc_rows *r,
                                 struct dsc_row *row, struct dsc_err *err)
{
    const json_t *v = json_object_get(object, r->names[c]);
    char *s;

    if (!v || !r->is_wanted[c])
        return DSC_OK;
    if (json_is_string(v)) {
        const size_t n = json_string_length(v);

        s = dsc_arena_strndup(r->arena, json_string_value(v), n, err);
        if (!s)
            return DSC_E_MEMORY;
        row->cell[c] = (struct dsc_cell){{s, n}, true};
        return DSC_OK;
    }
    if (c >= DSC_COL_LABEL && (json_is_number(v) || json_is_boolean(v)))
        return label_text(v, r, &row->cell[c], err);
    dsc_row_fault(row, DSC_E_SCHEMA, "'%s' is %s, not a string%s", r->names[c],
                  json_is_null(v)     ? "null"
                  : json_is_object(v) ? "an object"
                  : json_is_array(v)  ? "an array"
                                      : "a number or boolean",
                  c >= DSC_COL_LABEL ? " or number" : "");
    return DSC_OK;
}

static bool is_blank(const struct dsc_rows *r, size_t begin, size_t end)
{
    while (begin < end && strchr(" \t\r", r->data[begin]) && r->data[begin])
        begin++;
    return begin == end;
}

static void name_missing(const json_t *object, const struct dsc_rows *r, struct dsc_row *row)
{
    for (int c = 0; c < r->n_cols; c++) {
        char keys[96] = "";
        size_t n = 0;
        const char *key;
        json_t *value;

        if (row->cell[c].is_there || !(r->is_required[c] || r->is_mapped[c]) || !r->is_wanted[c])
            continue;
        json_object_foreach((json_t *)(uintptr_t)object, key, value) if (n < sizeof keys - 1) n +=
            (size_t)snprintf(keys + n, sizeof keys - n, "%s%.40s", n ? ", " : "", key);
        dsc_row_fault(row, DSC_E_SCHEMA, "no key '%.40s'; there are: %s", r->names[c], keys);
    }
}

static enum dsc_status next(struct dsc_rows *r, struct dsc_row *row, bool *is_end,
                            struct dsc_err *err)
{
    json_error_t e;
    json_t *object;
    enum dsc_status st = DSC_OK;

    while (!(*is_end = !dsc_rows_line(r, &row->begin, &row->end)) &&
           is_blank(r, row->begin, row->end))
        r->n_blank++;
    if (*is_end)
        return DSC_OK;
    row->line = r->line;
    if (row->end - row->begin > 2 * (size_t)DSC_DATA_FIELD_MAX_BYTES) {
        dsc_row_fault(row, DSC_E_LIMIT, "line of %zu bytes, limit %d", row->end - row->begin,
                      2 * DSC_DATA_FIELD_MAX_BYTES);
        return DSC_OK;
    }
    object = json_loadb((const char *)r->data + row->begin, row->end - row->begin,
                        JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!object)
        dsc_row_fault(row, DSC_E_SCHEMA, "not JSON: %s", e.text);
    else if (!json_is_object(object))
        dsc_row_fault(row, DSC_E_SCHEMA, "not a JSON object");
    for (int c = 0; st == DSC_OK && json_is_object(object) && c < r->n_cols; c++)
        st = take_cell(object, c, r, row, err);
    if (st == DSC_OK && json_is_object(object))
        name_missing(object, r, row);
    json_decref(object);
    return st;
}

const struct dsc_reader dsc_reader_jsonl = {
    .name = "jsonl",
    .extensions = "jsonl ndjson",
    .begin = begin,
    .next = next,
};
