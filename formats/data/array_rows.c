/*
 * Rows of arrays: a file with one array for each input of a model, and `label`.
 *
 * Rows are counted from 0, as NumPy does. The hash of a split is of the bytes of all inputs of a
 * row, in the order of the arrays' names: it depends on no model.
 */
#include "array_rows.h"

#include "dataset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* State of one reading. names: of the arrays, [n_inputs + 1], the last is the label's. */
struct table {
    struct dsc_dataset *d;
    const struct dsc_data_spec *spec;
    struct dsc_arena *arena;
    const char **names;
    struct dsc_tensor *arrays; /* [n_inputs] */
    struct dsc_tensor label;   /* a copy: the array may lie at any byte */
    size_t n;
};

static enum dsc_status name_arrays(struct table *t, struct dsc_err *err)
{
    const struct dsc_data_spec *spec = t->spec;
    const char **roles;
    bool *is_mapped;

    if (spec->n_inputs == 0) {
        dsc_fail(err, DSC_E_UNSUPPORTED, "the file holds arrays, rows of text are needed here");
        return dsc_err_hint(err, "give a .tsv, .csv or .jsonl");
    }
    DSC_NEW(roles, t->arena, spec->n_inputs + 1, err);
    DSC_NEW(is_mapped, t->arena, spec->n_inputs + 1, err);
    DSC_NEW(t->names, t->arena, spec->n_inputs + 1, err);
    for (size_t i = 0; i < spec->n_inputs; i++)
        roles[i] = spec->inputs[i].name;
    roles[spec->n_inputs] = "label";
    return dsc_columns_map(spec->columns, roles, spec->n_inputs + 1, t->names, is_mapped, t->arena,
                           err);
}

static enum dsc_status fail_missing(const struct table *t, const char *name, const char *input,
                                    struct dsc_err *err)
{
    const struct dsc_bundle *b = &t->d->bundle;
    char list[256] = "";
    size_t n = 0;

    for (int i = 0; i < b->n && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", b->items[i].name);
    dsc_fail(err, DSC_E_SCHEMA, "no array '%s'; there are: %s", name, list);
    return dsc_err_hint(err, "--columns %s=ARRAY picks one", input);
}

/* What an array is, and what it should be: "f32[*,30]" with a star for any size. */
static void want_text(const struct dsc_type *type, char *text, size_t n_bytes)
{
    size_t n = (size_t)snprintf(text, n_bytes, "%s[", dsc_dtype_text(type->dtype));

    for (int a = 0; a < type->rank && n < n_bytes; a++)
        n += (size_t)(a > 0 && type->dim[a] >= 0
                          ? snprintf(text + n, n_bytes - n, ",%lld", (long long)type->dim[a])
                          : snprintf(text + n, n_bytes - n, a ? ",*" : "rows"));
    if (n < n_bytes)
        snprintf(text + n, n_bytes - n, type->rank < 0 ? "rows,..]" : "]");
}

static enum dsc_status check_array(const struct table *t, size_t i, struct dsc_err *err)
{
    const struct dsc_row_input *in = &t->spec->inputs[i];
    const struct dsc_tensor *x = &t->arrays[i];
    bool fits = x->rank > 0 && (in->type.rank < 0 || in->type.rank == x->rank);
    char have[160], want[160];

    for (int a = 1; fits && a < in->type.rank; a++)
        fits = in->type.dim[a] < 0 || in->type.dim[a] == x->dim[a];
    dsc_tensor_text(x, have, sizeof have);
    want_text(&in->type, want, sizeof want);
    if (in->type.dtype != DSC_DTYPE_NONE && in->type.dtype != x->dtype) {
        dsc_fail(err, DSC_E_TYPE, "array '%s' is %s, the input '%s' takes %s", t->names[i], have,
                 in->name, want);
        return dsc_err_hint(err, "save it with the other type: %s.astype(..)", t->names[i]);
    }
    if (!fits)
        return dsc_fail(err, DSC_E_SHAPE, "array '%s' is %s, the input '%s' takes %s", t->names[i],
                        have, in->name, want);
    return DSC_OK;
}

/* All arrays have as many rows as the first one that is there. */
static enum dsc_status check_rows(struct table *t, const struct dsc_tensor *x, const char *name,
                                  const char **first, struct dsc_err *err)
{
    if (x->rank == 0)
        return dsc_fail(err, DSC_E_SHAPE, "array '%s' is a number, it has no rows", name);
    if (!*first) {
        *first = name;
        t->n = (size_t)x->dim[0];
    }
    if ((size_t)x->dim[0] == t->n)
        return DSC_OK;
    return dsc_fail(err, DSC_E_INCONSISTENT, "array '%s' has %lld rows, '%s' has %zu", name,
                    (long long)x->dim[0], *first, t->n);
}

static enum dsc_status find_label(struct table *t, const char **first, struct dsc_err *err)
{
    const char *name = t->names[t->spec->n_inputs];
    const struct dsc_tensor *x = dsc_bundle_find(&t->d->bundle, name);

    if (!x)
        return t->spec->needs_label ? fail_missing(t, name, "label", err) : DSC_OK;
    DSC_TRY(check_rows(t, x, name, first, err));
    DSC_TRY(dsc_tensor_new(&t->label, x->dtype, x->rank, x->dim, err));
    memcpy(t->label.data, x->data, dsc_tensor_n_bytes(x));
    return DSC_OK;
}

static enum dsc_status find_arrays(struct table *t, struct dsc_err *err)
{
    const struct dsc_data_spec *spec = t->spec;
    const char *first = NULL;

    DSC_NEW(t->arrays, t->arena, spec->n_inputs, err);
    for (size_t i = 0; i < spec->n_inputs; i++) {
        const struct dsc_tensor *x = dsc_bundle_find(&t->d->bundle, t->names[i]);

        if (!x && spec->inputs[i].is_optional)
            continue;
        if (!x)
            return fail_missing(t, t->names[i], spec->inputs[i].name, err);
        t->arrays[i] = *x; /* no reference: the bundle lives as long */
        DSC_TRY(check_array(t, i, err));
        DSC_TRY(check_rows(t, x, t->names[i], &first, err));
    }
    if (spec->target != DSC_TARGET_NONE)
        DSC_TRY(find_label(t, &first, err));
    t->d->report.n_rows = t->n;
    return t->n ? DSC_OK : dsc_fail(err, DSC_E_EMPTY, "no rows");
}

static void tell_unused(const struct table *t)
{
    const struct dsc_bundle *b = &t->d->bundle;

    for (int k = 0; k < b->n; k++) {
        bool is_used = false;

        for (size_t i = 0; i <= t->spec->n_inputs; i++)
            is_used |= strcmp(t->names[i], b->items[k].name) == 0;
        if (!is_used)
            dsc_log_printf(t->spec->log, DSC_LOG_WARNING,
                           "array '%s' is no input of the model and is left out", b->items[k].name);
    }
}

/* An element at any byte. */
static double number_at(const struct dsc_tensor *x, int64_t at)
{
    const size_t n_bytes = (size_t)dsc_dtype_bits(x->dtype) / 8;
    uint64_t room = 0;
    const struct dsc_tensor one = {.dtype = x->dtype, .data = &room};

    memcpy(&room, (const char *)x->data + (size_t)at * n_bytes, n_bytes);
    return dsc_tensor_get_f64(&one, 0);
}

/* "x[12,3] is nan" */
static void describe(const struct table *t, size_t i, int64_t at, char *text, size_t n_bytes)
{
    const struct dsc_tensor *x = &t->arrays[i];
    int64_t idx[DSC_MAX_RANK], rest = at;
    size_t n = (size_t)snprintf(text, n_bytes, "%.60s[", t->names[i]);

    for (int a = x->rank - 1; a >= 0; a--) {
        idx[a] = rest % x->dim[a];
        rest /= x->dim[a];
    }
    for (int a = 0; a < x->rank && n < n_bytes; a++)
        n += (size_t)snprintf(text + n, n_bytes - n, "%s%lld", a ? "," : "", (long long)idx[a]);
    if (n < n_bytes)
        snprintf(text + n, n_bytes - n, "] is %g", number_at(x, at));
}

/* The first number of each row that is none. */
static void check_finite(const struct table *t, struct dsc_bad *bad)
{
    for (size_t i = 0; i < t->spec->n_inputs; i++) {
        const struct dsc_tensor *x = &t->arrays[i];
        const int64_t width = dsc_tensor_is_present(x) ? dsc_tensor_n_elems(x) / (int64_t)t->n : 0;

        for (int64_t at = 0; dsc_dtype_is_float(x->dtype) && at < width * (int64_t)t->n; at++) {
            char text[160];

            if (isfinite(number_at(x, at)))
                continue;
            describe(t, i, at, text, sizeof text);
            dsc_bad_add(bad, DSC_E_NONFINITE, (size_t)(at / width), 0, 0, text);
            at = (at / width + 1) * width - 1;
        }
    }
}

/* ---- splits ---- */

/* Inputs that are there, by the names of their arrays. */
struct sorted {
    const struct table *t;
    size_t *order, n;
};

static int compare_names(const void *a, const void *b, void *ctx)
{
    const struct table *t = ctx;

    return strcmp(t->names[*(const size_t *)a], t->names[*(const size_t *)b]);
}

static const unsigned char *row_bytes(const struct sorted *s, size_t k, size_t row, size_t *n_bytes)
{
    const struct dsc_tensor *x = &s->t->arrays[s->order[k]];

    *n_bytes = dsc_tensor_n_bytes(x) / s->t->n;
    return (const unsigned char *)x->data + row * *n_bytes;
}

static int compare_rows(const void *ctx, size_t i, size_t j)
{
    const struct sorted *s = ctx;
    int c = 0;

    for (size_t k = 0; k < s->n && c == 0; k++) {
        size_t n_bytes;
        const unsigned char *a = row_bytes(s, k, i, &n_bytes), *b = row_bytes(s, k, j, &n_bytes);

        c = n_bytes ? memcmp(a, b, n_bytes) : 0;
    }
    return c;
}

static void hash_row(const void *ctx, size_t i, struct dsc_sha256 *h)
{
    const struct sorted *s = ctx;

    for (size_t k = 0; k < s->n; k++) {
        size_t n_bytes;
        const unsigned char *p = row_bytes(s, k, i, &n_bytes);

        dsc_sha256_add(h, p, n_bytes);
    }
}

static bool rows_conflict(const void *ctx, size_t i, size_t j)
{
    const struct dsc_dataset *d = ((const struct sorted *)ctx)->t->d;

    return (d->label && d->label[i] != d->label[j]) ||
           (d->value && (d->value[i] < d->value[j] || d->value[i] > d->value[j]));
}

static enum dsc_status mark(const struct table *t, unsigned char *keep, struct dsc_err *err)
{
    const struct dsc_split *split = &t->spec->split;
    struct sorted s = {.t = t};
    const struct dsc_split_rows rows = {.n = t->n,
                                        .compare = compare_rows,
                                        .hash = hash_row,
                                        .conflicts = rows_conflict,
                                        .ctx = &s};

    memset(keep, 1, t->n);
    if (split->train + split->dev + split->test == 0)
        return DSC_OK;
    DSC_NEW(s.order, t->arena, t->spec->n_inputs, err);
    for (size_t i = 0; i < t->spec->n_inputs; i++)
        if (dsc_tensor_is_present(&t->arrays[i]))
            s.order[s.n++] = i;
    qsort_r(s.order, s.n, sizeof *s.order, compare_names, (void *)(uintptr_t)t);
    return dsc_split_mark(t->d, &rows, t->spec, keep, err);
}

/* Labels are packed where they are; arrays stay whole, `row` says which slices count. */
static enum dsc_status keep_rows(const struct table *t, const unsigned char *keep,
                                 struct dsc_err *err)
{
    struct dsc_dataset *d = t->d;
    int32_t *label = (int32_t *)(uintptr_t)d->label;
    double *value = (double *)(uintptr_t)d->value;
    int64_t *row;
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += keep[i];
    DSC_NEW(row, t->arena, n, err);
    for (size_t i = 0, k = 0; i < t->n; i++) {
        if (!keep[i])
            continue;
        row[k] = (int64_t)i;
        if (label)
            label[k] = label[i];
        if (value)
            value[k] = value[i];
        k++;
    }
    d->n = n;
    d->row = row;
    d->arrays = t->arrays;
    d->n_arrays = t->spec->n_inputs;
    return n ? DSC_OK : dsc_part_is_empty(t->spec, err);
}

static enum dsc_status select_rows(const struct table *t, struct dsc_err *err)
{
    unsigned char *keep = dsc_heap_alloc(t->n, 1, err);
    enum dsc_status st;

    if (!keep)
        return DSC_E_MEMORY;
    st = mark(t, keep, err);
    if (st == DSC_OK)
        st = keep_rows(t, keep, err);
    dsc_heap_free(keep);
    return st;
}

enum dsc_status array_rows_load(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                                struct dsc_arena *arena, array_fill_fn *fill, struct dsc_err *err)
{
    struct table t = {.d = d, .spec = spec, .arena = arena};
    struct dsc_bad bad = {0};
    enum dsc_status st = DSC_OK;

    DSC_TRY(name_arrays(&t, err));
    DSC_TRY(fill(&d->bundle, d->file.data, d->file.n_bytes, spec->log, err));
    DSC_TRY_OUT(st, find_arrays(&t, err));
    tell_unused(&t);
    check_finite(&t, &bad);
    d->target = DSC_TARGET_NONE;
    if (dsc_tensor_is_present(&t.label))
        st = dsc_labels_from_array(d, &t.label, spec, &bad, arena, err);
    if (st == DSC_OK && bad.n > 0)
        st = dsc_bad_labels(d, spec, &bad, err);
    if (st == DSC_OK)
        st = select_rows(&t, err);
out:
    dsc_bytes_clear(&bad.text);
    dsc_tensor_clear(&t.label);
    return st;
}
