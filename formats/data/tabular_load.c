/*
 * Rows of a table into arrays: cells, their order, chains of rows with one key, and windows of the
 * last steps of a chain.
 */
#include "dsc/checked.h"
#include "encoding.h"
#include "tabular.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COL_FIRST = DSC_N_COLS };

/*
 * State of one reading. Rows are numbered as they were read (bad ones left out).
 * cells [n, n_cells]: the table's columns, then key and order where there are any
 * sorted [n]: rows by order; before [n]: the row before it of the same key, -1: none
 */
struct loading {
    struct dsc_dataset *d;
    const struct dsc_data_spec *spec;
    const struct dsc_table *t;
    struct dsc_arena *arena;
    struct dsc_rows rows;
    struct dsc_raw raw;
    struct dsc_bad bad;
    struct dsc_text *cells;
    size_t n_cells, cap_cells;
    size_t key, order; /* places of these cells; 0: none, since a table has a column */
    int64_t *sorted, *before;
    double *time;     /* [n], of the order column */
    float *channels;  /* [n, F] */
    int32_t *classes; /* [n, columns] */
};

static void want(struct loading *l, const char *name, bool is_required)
{
    struct dsc_rows *r = &l->rows;

    r->names[r->n_cols] = name;
    r->is_wanted[r->n_cols] = true;
    r->is_required[r->n_cols++] = is_required;
}

static enum dsc_status want_columns(struct loading *l, struct dsc_err *err)
{
    static const char *const roles[] = {"label"};
    const struct dsc_table *t = l->t;
    struct dsc_rows *r = &l->rows;
    const char *label = t->label;
    bool is_mapped = false;

    if (l->spec->columns)
        DSC_TRY(dsc_columns_map(l->spec->columns, roles, 1, &label, &is_mapped, l->arena, err));
    r->n_cols = COL_FIRST;
    r->names[DSC_COL_TEXT] = r->names[DSC_COL_TEXT_B] = "";
    r->names[DSC_COL_LABEL] = label;
    r->is_wanted[DSC_COL_LABEL] = l->spec->target != DSC_TARGET_NONE;
    r->is_required[DSC_COL_LABEL] = l->spec->needs_label;
    r->is_mapped[DSC_COL_LABEL] = is_mapped;
    for (size_t i = 0; i < t->n_columns; i++)
        want(l, t->columns[i].name, true);
    if (t->key) {
        l->key = (size_t)(r->n_cols - COL_FIRST);
        want(l, t->key, true);
    }
    if (t->order) {
        l->order = (size_t)(r->n_cols - COL_FIRST);
        want(l, t->order, true);
    }
    l->n_cells = (size_t)(r->n_cols - COL_FIRST);
    return DSC_OK;
}

static enum dsc_status take_row(struct loading *l, const struct dsc_row *row, size_t number,
                                struct dsc_err *err)
{
    struct dsc_raw *raw = &l->raw;

    DSC_TRY(dsc_raw_reserve(raw, err));
    if (raw->cap != l->cap_cells) {
        struct dsc_text *p = dsc_heap_grow(l->cells, raw->cap, l->n_cells * sizeof *p, err);

        if (!p)
            return DSC_E_MEMORY;
        l->cells = p;
        l->cap_cells = raw->cap;
    }
    if (raw->n == 0)
        raw->has_label = row->cell[DSC_COL_LABEL].is_there;
    raw->label[raw->n] = row->cell[DSC_COL_LABEL].s;
    raw->row[raw->n] = (int64_t)number;
    raw->line[raw->n] = row->line;
    raw->begin[raw->n] = row->begin;
    for (size_t c = 0; c < l->n_cells; c++)
        l->cells[raw->n * l->n_cells + c] = row->cell[COL_FIRST + c].s;
    raw->n++;
    return DSC_OK;
}

static enum dsc_status read_cells(struct loading *l, const struct dsc_reader *reader,
                                  struct dsc_err *err)
{
    size_t *n_rows = &l->d->report.n_rows;

    DSC_TRY(dsc_rows_begin(l->d, l->spec, &l->rows, err));
    DSC_TRY(reader->begin(&l->rows, err));
    for (;; ++*n_rows) {
        struct dsc_row row = {0};
        bool is_end = false;
        size_t byte;

        DSC_TRY(reader->next(&l->rows, &row, &is_end, err));
        if (is_end)
            break;
        dsc_rows_check(&l->rows, &l->raw, &row, &byte);
        if (row.fault_status == DSC_OK)
            DSC_TRY(take_row(l, &row, *n_rows, err));
        else
            dsc_bad_add(&l->bad, row.fault_status, *n_rows + 1, row.line, byte, row.fault);
    }
    l->d->report.n_blank = l->rows.n_blank;
    DSC_TRY(dsc_bad_finish(&l->bad, err));
    return l->raw.n ? DSC_OK : dsc_fail(err, DSC_E_EMPTY, "no rows");
}

static const struct dsc_text *cell_at(const struct loading *l, int64_t row, size_t cell)
{
    return &l->cells[(size_t)row * l->n_cells + cell];
}

static void bad_cell(struct loading *l, size_t row, const char *name, const struct dsc_text *cell,
                     const char *what)
{
    char quoted[192], text[256];

    dsc_quote_for_message(quoted, cell->data, cell->n_bytes);
    snprintf(text, sizeof text, "'%.40s' is %.120s, %s", name, quoted, what);
    dsc_bad_add(&l->bad, DSC_E_SCHEMA, (size_t)l->raw.row[row] + 1, l->raw.line[row],
                l->raw.begin[row], text);
}

static int by_time(const void *a, const void *b, void *ctx)
{
    const struct loading *l = ctx;
    const int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;

    if (l->time[i] < l->time[k] || l->time[i] > l->time[k])
        return l->time[i] < l->time[k] ? -1 : 1;
    return i < k ? -1 : i > k;
}

static int by_key(const void *a, const void *b, void *ctx)
{
    const struct loading *l = ctx;
    const int64_t i = *(const int64_t *)a, k = *(const int64_t *)b;
    const int c = l->key ? dsc_text_compare(cell_at(l, i, l->key), cell_at(l, k, l->key)) : 0;

    return c ? c : by_time(a, b, ctx);
}

/* Rows in order, and the chains of equal keys. */
static enum dsc_status chain_rows(struct loading *l, struct dsc_err *err)
{
    const size_t n = l->raw.n;
    int64_t *by;

    for (size_t i = 0; i < n; i++) {
        l->sorted[i] = (int64_t)i;
        l->time[i] = 0;
        if (l->order && !dsc_cell_time(cell_at(l, (int64_t)i, l->order), &l->time[i]))
            bad_cell(l, i, l->t->order, cell_at(l, (int64_t)i, l->order), "not a time");
    }
    DSC_TRY(dsc_bad_finish(&l->bad, err));
    by = dsc_heap_alloc(n, sizeof *by, err);
    if (!by)
        return DSC_E_MEMORY;
    qsort_r(l->sorted, n, sizeof *l->sorted, by_time, l);
    memcpy(by, l->sorted, n * sizeof *by);
    qsort_r(by, n, sizeof *by, by_key, l);
    for (size_t i = 0; i < n; i++)
        l->before[by[i]] = i > 0 && (!l->key || dsc_text_compare(cell_at(l, by[i - 1], l->key),
                                                                 cell_at(l, by[i], l->key)) == 0)
                               ? by[i - 1]
                               : -1;
    dsc_heap_free(by);
    return DSC_OK;
}

/* Times of rows whose own column is no time are wrong: that row is told of once, for itself. */
static void put_time(struct loading *l, size_t row, size_t column, float *y)
{
    const double day = 86400, turn = 6.283185307179586;
    double now, then = 0;

    if (!dsc_cell_time(cell_at(l, (int64_t)row, column), &now)) {
        bad_cell(l, row, l->t->columns[column].name, cell_at(l, (int64_t)row, column),
                 "not a time");
        return;
    }
    y[0] = 0;
    if (l->before[row] >= 0 && dsc_cell_time(cell_at(l, l->before[row], column), &then))
        y[0] = (float)log1p(now > then ? now - then : 0);
    y[1] = (float)sin(turn * fmod(now, day) / day);
    y[2] = (float)cos(turn * fmod(now, day) / day);
}

static void put_number(struct loading *l, size_t row, size_t column, float *y)
{
    const struct dsc_text *cell = cell_at(l, (int64_t)row, column);
    double v;

    if (!dsc_cell_number(cell, &v)) {
        bad_cell(l, row, l->t->columns[column].name, cell, "not a finite number");
        return;
    }
    if (l->t->columns[column].kind == DSC_FEATURE_LOG)
        v = copysign(log1p(fabs(v)), v);
    if (fabs(v) > 3.4e38)
        bad_cell(l, row, l->t->columns[column].name, cell, "out of the range of f32");
    *y = (float)v;
}

static int compare_value(const void *key, const void *value)
{
    const struct dsc_text *t = key;
    const char *s = *(const char *const *)value;
    const struct dsc_text v = {s, strlen(s)};

    return dsc_text_compare(t, &v);
}

static int32_t class_of(const struct dsc_table_column *c, const struct dsc_text *cell)
{
    const char *const *hit =
        c->n_values ? bsearch(cell, c->values, c->n_values, sizeof *c->values, compare_value)
                    : NULL;

    return hit ? (int32_t)(hit - c->values) + 1 : 0;
}

static enum dsc_status convert(struct loading *l, struct dsc_err *err)
{
    const struct dsc_table *t = l->t;
    float *y = l->channels;

    for (size_t i = 0; i < l->raw.n; i++)
        for (size_t c = 0; c < t->n_columns; c++) {
            switch (t->columns[c].kind) {
            case DSC_FEATURE_TIME:
                put_time(l, i, c, y);
                y += 3;
                break;
            case DSC_FEATURE_CATEGORY:
                l->classes[i * t->n_columns + c] =
                    class_of(&t->columns[c], cell_at(l, (int64_t)i, c));
                break;
            default:
                put_number(l, i, c, y++);
                break;
            }
        }
    return dsc_bad_finish(&l->bad, err);
}

/* Which rows are of the part: under a split the first percents in order are train. */
static bool is_kept(const struct loading *l, size_t place)
{
    const struct dsc_split *s = &l->spec->split;
    const size_t at = place * 100, n = l->raw.n;
    const enum dsc_part part = at < n * (size_t)s->train              ? DSC_PART_TRAIN
                               : at < n * (size_t)(s->train + s->dev) ? DSC_PART_DEV
                                                                      : DSC_PART_TEST;

    return l->spec->part == DSC_PART_ALL || part == l->spec->part;
}

/* The set's rows, in the order of time; labels with them. */
static enum dsc_status keep_rows(struct loading *l, struct dsc_err *err)
{
    struct dsc_dataset *d = l->d;
    int32_t *label = NULL;
    double *value = NULL;
    int64_t *row;
    size_t n = 0;

    for (size_t i = 0; i < l->raw.n; i++)
        n += is_kept(l, i);
    DSC_NEW(row, l->arena, n + 1, err);
    if (d->label)
        DSC_NEW(label, l->arena, n + 1, err);
    if (d->value)
        DSC_NEW(value, l->arena, n + 1, err);
    d->report.n_other_parts = l->raw.n - n;
    for (size_t i = 0, k = 0; i < l->raw.n; i++) {
        if (!is_kept(l, i))
            continue;
        row[k] = l->sorted[i];
        if (label)
            label[k] = d->label[row[k]];
        if (value)
            value[k] = d->value[row[k]];
        k++;
    }
    d->n = n;
    d->row = row;
    d->label = label;
    d->value = value;
    return n ? DSC_OK : dsc_part_is_empty(l->spec, err);
}

static int by_bytes(const void *a, const void *b)
{
    return dsc_text_compare(a, b);
}

/* Different values of a category column in the kept rows. */
static enum dsc_status learn_values(struct loading *l, size_t column, struct dsc_err *err)
{
    struct dsc_table_column *c = &l->spec->learn->table->columns[column];
    const size_t n = l->d->n;
    struct dsc_text *all = dsc_heap_alloc(n, sizeof *all, err);
    const char **values = NULL;
    size_t n_values = 0;
    enum dsc_status st = DSC_OK;

    if (!all)
        return DSC_E_MEMORY;
    for (size_t i = 0; i < n; i++)
        all[i] = *cell_at(l, l->d->row[i], column);
    qsort(all, n, sizeof *all, by_bytes);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || dsc_text_compare(&all[n_values - 1], &all[i]) != 0)
            all[n_values++] = all[i];
    if (n_values > DSC_DATA_CLASSES_MAX)
        st = dsc_fail(err, DSC_E_LIMIT, "column '%s' has %zu different values, limit %d", c->name,
                      n_values, DSC_DATA_CLASSES_MAX);
    values = st == DSC_OK ? dsc_arena_alloc(l->arena, n_values, sizeof *values, err) : NULL;
    if (st == DSC_OK && !values)
        st = DSC_E_MEMORY;
    for (size_t i = 0; st == DSC_OK && i < n_values; i++) {
        if (memchr(all[i].data, '\0', all[i].n_bytes))
            st = dsc_fail(err, DSC_E_SCHEMA, "NUL in column '%s'", c->name);
        else if (!(values[i] = dsc_arena_strndup(l->arena, all[i].data, all[i].n_bytes, err)))
            st = DSC_E_MEMORY;
    }
    c->values = values;
    c->n_values = n_values;
    dsc_heap_free(all);
    return st;
}

static enum dsc_status learn(struct loading *l, struct dsc_err *err)
{
    struct dsc_table_facts *f = l->spec->learn;
    const size_t n = l->d->n, width = (size_t)dsc_table_n_channels(l->t);

    for (size_t c = 0; c < l->t->n_columns; c++)
        if (l->t->columns[c].kind == DSC_FEATURE_CATEGORY)
            DSC_TRY(learn_values(l, c, err));
    f->n_channels = (int64_t)width;
    DSC_NEW(f->mean, l->arena, width, err);
    DSC_NEW(f->scale, l->arena, width, err);
    for (size_t k = 0; k < width; k++) {
        double sum = 0, squares = 0;

        for (size_t i = 0; i < n; i++)
            sum += (double)l->channels[(size_t)l->d->row[i] * width + k];
        for (size_t i = 0; i < n; i++) {
            const double v =
                (double)l->channels[(size_t)l->d->row[i] * width + k] - sum / (double)n;

            squares += v * v;
        }
        f->mean[k] = (float)(sum / (double)n);
        squares = sqrt(squares / (double)n);
        f->scale[k] = squares > 1e-12 ? (float)(1 / squares) : 1.0f;
    }
    return DSC_OK;
}

/* Windows of one input for all rows: `width` elements of 4 bytes a step, from [n, per_row] + at. */
static void put_windows(const struct loading *l, char *y, const void *from, size_t per_row,
                        size_t at, size_t width)
{
    const int64_t n_steps = l->t->n_steps;

    for (size_t i = 0; i < l->raw.n; i++, y += (size_t)n_steps * width * 4) {
        int64_t n = 1, row = (int64_t)i;

        for (; n < n_steps && l->before[row] >= 0; n++)
            row = l->before[row];
        row = (int64_t)i;
        for (int64_t s = n - 1; s >= 0; s--, row = l->before[row])
            memcpy(y + (size_t)s * width * 4, (const char *)from + ((size_t)row * per_row + at) * 4,
                   width * 4);
    }
}

static void put_lengths(const struct loading *l, int32_t *y)
{
    for (size_t i = 0; i < l->raw.n; i++) {
        int64_t row = (int64_t)i;

        for (y[i] = 1; y[i] < l->t->n_steps && l->before[row] >= 0; y[i]++)
            row = l->before[row];
    }
}

static enum dsc_status make_array(struct loading *l, const struct dsc_row_input *in,
                                  struct dsc_tensor *t, struct dsc_err *err)
{
    const int64_t n = (int64_t)l->raw.n, width = dsc_table_n_channels(l->t);
    const size_t n_columns = l->t->n_columns;

    if (strcmp(in->name, DSC_TABLE_NUMBERS) == 0) {
        DSC_TRY(dsc_tensor_new(t, DSC_F32, 3, (int64_t[]){n, l->t->n_steps, width}, err));
        put_windows(l, t->data, l->channels, (size_t)width, 0, (size_t)width);
        return DSC_OK;
    }
    if (strcmp(in->name, DSC_TABLE_LENGTHS) == 0) {
        DSC_TRY(dsc_tensor_new(t, DSC_I32, 1, &n, err));
        put_lengths(l, t->data);
        return DSC_OK;
    }
    for (size_t c = 0; c < n_columns; c++) {
        if (l->t->columns[c].kind != DSC_FEATURE_CATEGORY ||
            strcmp(in->name, l->t->columns[c].name) != 0)
            continue;
        DSC_TRY(dsc_tensor_new(t, DSC_I32, 2, (int64_t[]){n, l->t->n_steps}, err));
        put_windows(l, t->data, l->classes, n_columns, c, 1);
        return DSC_OK;
    }
    return dsc_fail(err, DSC_E_INCONSISTENT, "the table gives nothing to the input '%s'", in->name);
}

static bool fits(const struct dsc_type *want, const struct dsc_tensor *t)
{
    bool is = want->dtype == t->dtype && (want->rank < 0 || want->rank == t->rank);

    for (int i = 1; is && i < want->rank; i++)
        is = want->dim[i] < 0 || want->dim[i] == t->dim[i];
    return is;
}

static enum dsc_status make_arrays(struct loading *l, struct dsc_err *err)
{
    struct dsc_dataset *d = l->d;
    struct dsc_tensor *arrays;

    DSC_NEW(arrays, l->arena, l->spec->n_inputs, err);
    for (size_t i = 0; i < l->spec->n_inputs; i++) {
        const struct dsc_row_input *in = &l->spec->inputs[i];
        struct dsc_tensor t = {0};
        enum dsc_status st;

        if (in->is_optional)
            continue;
        st = make_array(l, in, &t, err);
        if (st == DSC_OK && !fits(&in->type, &t))
            st = dsc_fail(err, DSC_E_INCONSISTENT, "the input '%s' is not what the table gives",
                          in->name);
        if (st == DSC_OK)
            st = dsc_bundle_add(&d->bundle, in->name, &t, err);
        arrays[i] = t; /* the bundle holds it */
        dsc_tensor_clear(&t);
        DSC_TRY(st);
    }
    d->arrays = arrays;
    d->n_arrays = l->spec->n_inputs;
    return DSC_OK;
}

static enum dsc_status make_room(struct loading *l, struct dsc_err *err)
{
    const size_t n = l->raw.n, width = (size_t)dsc_table_n_channels(l->t);

    l->sorted = dsc_heap_alloc(n, sizeof *l->sorted, err);
    l->before = dsc_heap_alloc(n, sizeof *l->before, err);
    l->time = dsc_heap_alloc(n, sizeof *l->time, err);
    l->channels = dsc_heap_alloc(n * width, sizeof *l->channels, err);
    l->classes = dsc_heap_alloc(n * l->t->n_columns, sizeof *l->classes, err);
    return l->sorted && l->before && l->time && l->channels && l->classes ? DSC_OK : DSC_E_MEMORY;
}

enum dsc_status dsc_table_load(struct dsc_dataset *d, const struct dsc_reader *reader,
                               const struct dsc_data_spec *spec, struct dsc_arena *arena,
                               struct dsc_err *err)
{
    struct loading l = {.d = d, .spec = spec, .t = spec->table, .arena = arena};
    enum dsc_status st;

    dsc_bundle_init(&d->bundle);
    l.rows.arena = arena;
    DSC_TRY_OUT(st, want_columns(&l, err));
    DSC_TRY_OUT(st, read_cells(&l, reader, err));
    DSC_TRY_OUT(st, make_room(&l, err));
    DSC_TRY_OUT(st, dsc_labels_resolve(d, &l.raw, spec, &l.bad, arena, err));
    if (l.bad.n > 0)
        DSC_TRY_OUT(st, dsc_bad_labels(d, spec, &l.bad, err));
    DSC_TRY_OUT(st, chain_rows(&l, err));
    DSC_TRY_OUT(st, convert(&l, err));
    DSC_TRY_OUT(st, keep_rows(&l, err));
    DSC_TRY_OUT(st, spec->learn ? learn(&l, err) : make_arrays(&l, err));
out:
    dsc_bytes_clear(&l.bad.text);
    dsc_raw_clear(&l.raw);
    dsc_heap_free(l.cells);
    dsc_heap_free(l.sorted);
    dsc_heap_free(l.before);
    dsc_heap_free(l.time);
    dsc_heap_free(l.channels);
    dsc_heap_free(l.classes);
    return st;
}
