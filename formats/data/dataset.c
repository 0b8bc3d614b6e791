/* Reading a DATA argument: file, encoding, rows, labels, split, and the arrays that remain. */
#include "dataset.h"

#include "encoding.h"
#include "reader.h"
#include "tabular.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct dsc_reader *const readers[] = {
#define DSC_READER(name) &dsc_reader_##name,
#include "readers.def"
#undef DSC_READER
};

enum { N_READERS = sizeof readers / sizeof readers[0] };

static const char *const reader_names[] = {
#define DSC_READER(name) #name,
#include "readers.def"
#undef DSC_READER
    NULL,
};

const char *const *dsc_data_formats(void)
{
    return reader_names;
}

/* Is `word` one of the words of `list`, in any case? */
static bool is_listed(const char *list, const char *word)
{
    const size_t n = strlen(word);

    for (const char *s = list; *s; s += strcspn(s, " "), s += strspn(s, " "))
        if (strcspn(s, " ") == n && strncasecmp(s, word, n) == 0)
            return true;
    return false;
}

static const char *sniff(const struct dsc_file *f)
{
    size_t i = f->n_bytes >= 3 && memcmp(f->data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    if (f->n_bytes >= 2 && memcmp(f->data, "PK", 2) == 0)
        return "npz";
    if (f->n_bytes >= 4 && memcmp(f->data, "\x89HDF", 4) == 0)
        return "hdf5";
    while (i < f->n_bytes && strchr(" \t\r\n", f->data[i]) && f->data[i])
        i++;
    if (i < f->n_bytes && f->data[i] == '{')
        return "jsonl";
    for (i = 0; i < f->n_bytes && f->data[i] != '\n'; i++)
        if (f->data[i] == '\t')
            return "tsv";
    return "csv";
}

static enum dsc_status pick_reader(const struct dsc_reader **reader, const char *path,
                                   const char *format, const struct dsc_file *f,
                                   struct dsc_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');
    const char *word = format ? format : !strcmp(path, "-") ? sniff(f) : dot ? dot + 1 : "";

    for (int i = 0; i < N_READERS; i++) {
        *reader = readers[i];
        if (is_listed(format ? readers[i]->name : readers[i]->extensions, word))
            return DSC_OK;
    }
    dsc_fail(err, format ? DSC_E_USAGE : DSC_E_UNSUPPORTED,
             "'%s' is not a format of rows that is read", word);
    return dsc_err_hint(err, "known are .csv, .h5, .jsonl, .npz and .tsv");
}

void dsc_bad_add(struct dsc_bad *b, enum dsc_status s, size_t row, size_t line, size_t byte,
                 const char *what)
{
    char place[64] = "";

    if (line)
        snprintf(place, sizeof place, ", line %zu, byte %zu", line, byte);
    if (b->n++ == 0) {
        b->status = s;
        snprintf(b->where, sizeof b->where, "row %zu%s", row, place);
        snprintf(b->first, sizeof b->first, "%s", what);
    }
    if (line)
        snprintf(place, sizeof place, " (line %zu, byte %zu)", line, byte);
    if (b->n <= DSC_DATA_BAD_ROWS_SHOWN)
        dsc_bytes_printf(&b->text, "%srow %zu%s: %s", b->n > 1 ? "; " : "", row, place, what);
}

enum dsc_status dsc_bad_finish(struct dsc_bad *b, struct dsc_err *err)
{
    enum dsc_status s = b->status;

    if (b->n == 1) {
        dsc_fail(err, s, "%s", b->first);
    } else if (b->n > 1) {
        dsc_bytes_add(&b->text, "", 1);
        dsc_fail(err, s, "%zu bad rows: %s", b->n,
                 b->text.is_failed ? b->first : (const char *)b->text.data);
        if (b->n > DSC_DATA_BAD_ROWS_SHOWN && err) {
            const size_t at = strlen(err->message);

            snprintf(err->message + at, sizeof err->message - at, "; and %zu more",
                     b->n - DSC_DATA_BAD_ROWS_SHOWN);
        }
    }
    if (b->n > 0)
        dsc_err_where(err, "%s", b->where);
    dsc_bytes_clear(&b->text);
    *b = (struct dsc_bad){0};
    return s;
}

void dsc_raw_clear(struct dsc_raw *raw)
{
    dsc_heap_free(raw->text);
    dsc_heap_free(raw->text_b);
    dsc_heap_free(raw->label);
    dsc_heap_free(raw->row);
    dsc_heap_free(raw->line);
    dsc_heap_free(raw->begin);
    *raw = (struct dsc_raw){0};
}

static enum dsc_status grow(void **p, size_t cap, size_t elem_bytes, struct dsc_err *err)
{
    void *q = dsc_heap_grow(*p, cap, elem_bytes, err);

    if (!q)
        return err ? err->status : DSC_E_MEMORY;
    *p = q;
    return DSC_OK;
}

enum dsc_status dsc_raw_reserve(struct dsc_raw *raw, struct dsc_err *err)
{
    const size_t cap = raw->cap ? raw->cap * 2 : 1024;

    if (raw->n < raw->cap)
        return DSC_OK;
    DSC_TRY(grow((void **)&raw->text, cap, sizeof *raw->text, err));
    DSC_TRY(grow((void **)&raw->text_b, cap, sizeof *raw->text_b, err));
    DSC_TRY(grow((void **)&raw->label, cap, sizeof *raw->label, err));
    DSC_TRY(grow((void **)&raw->row, cap, sizeof *raw->row, err));
    DSC_TRY(grow((void **)&raw->line, cap, sizeof *raw->line, err));
    DSC_TRY(grow((void **)&raw->begin, cap, sizeof *raw->begin, err));
    raw->cap = cap;
    return DSC_OK;
}

void dsc_rows_check(const struct dsc_rows *r, const struct dsc_raw *raw, struct dsc_row *row,
                    size_t *byte)
{
    const size_t n = row->end - row->begin;
    const size_t good = dsc_utf8_valid_prefix(r->data + row->begin, n);

    *byte = row->begin;
    if (good < n) { /* the cause of whatever the reader found */
        *byte = row->begin + good;
        row->fault_status = DSC_OK;
        dsc_row_fault(row, DSC_E_ENCODING, "byte 0x%02x is not UTF-8", r->data[*byte]);
    }
    for (int c = 0; c < r->n_cols; c++) {
        const struct dsc_cell *cell = &row->cell[c];
        const bool is_needed = r->is_required[c] || r->is_mapped[c] ||
                               (raw->n > 0 && c == DSC_COL_TEXT_B && raw->has_text_b) ||
                               (raw->n > 0 && c == DSC_COL_LABEL && raw->has_label);

        if (!r->is_wanted[c])
            continue;
        if (!cell->is_there && is_needed)
            dsc_row_fault(row, DSC_E_SCHEMA, "no '%s'", r->names[c]);
        if (cell->is_there && raw->n > 0 && !is_needed)
            dsc_row_fault(row, DSC_E_SCHEMA, "has '%s', the first row had none", r->names[c]);
        if (cell->s.n_bytes > DSC_DATA_FIELD_MAX_BYTES)
            dsc_row_fault(row, DSC_E_LIMIT, "'%s' of %zu bytes, limit %d", r->names[c],
                          cell->s.n_bytes, DSC_DATA_FIELD_MAX_BYTES);
    }
    if (row->cell[DSC_COL_LABEL].is_there) {
        const struct dsc_text *t = &row->cell[DSC_COL_LABEL].s;

        if (t->n_bytes == 0)
            dsc_row_fault(row, DSC_E_SCHEMA, "the label is empty");
        else if (memchr(t->data, '\0', t->n_bytes))
            dsc_row_fault(row, DSC_E_SCHEMA, "NUL in the label");
    }
}

static enum dsc_status read_rows(struct dsc_rows *r, const struct dsc_reader *reader,
                                 struct dsc_raw *raw, struct dsc_bad *bad, size_t *n_rows,
                                 struct dsc_err *err)
{
    for (;;) {
        struct dsc_row row = {0};
        bool is_end = false;
        size_t byte;

        DSC_TRY(reader->next(r, &row, &is_end, err));
        if (is_end)
            return DSC_OK;
        dsc_rows_check(r, raw, &row, &byte);
        ++*n_rows;
        if (row.fault_status != DSC_OK) {
            dsc_bad_add(bad, row.fault_status, *n_rows, row.line, byte, row.fault);
            continue;
        }
        DSC_TRY(dsc_raw_reserve(raw, err));
        if (raw->n == 0) {
            raw->has_text_b = row.cell[DSC_COL_TEXT_B].is_there;
            raw->has_label = row.cell[DSC_COL_LABEL].is_there;
        }
        raw->text[raw->n] = row.cell[DSC_COL_TEXT].s;
        raw->text_b[raw->n] = row.cell[DSC_COL_TEXT_B].s;
        raw->label[raw->n] = row.cell[DSC_COL_LABEL].s;
        raw->row[raw->n] = (int64_t)*n_rows - 1;
        raw->line[raw->n] = row.line;
        raw->begin[raw->n] = row.begin;
        raw->n++;
    }
}

/* Copy the kept rows into the arena; labels are packed where they are. */
static enum dsc_status keep_rows(struct dsc_dataset *d, const struct dsc_raw *raw,
                                 const unsigned char *keep, struct dsc_arena *arena,
                                 struct dsc_err *err)
{
    int32_t *label = (int32_t *)(uintptr_t)d->label;
    double *value = (double *)(uintptr_t)d->value;
    struct dsc_text *text, *text_b = NULL;
    int64_t *row;
    size_t n = 0, k = 0;

    for (size_t i = 0; i < raw->n; i++)
        n += keep[i];
    DSC_NEW(text, arena, n, err);
    DSC_NEW(row, arena, n, err);
    if (raw->has_text_b)
        DSC_NEW(text_b, arena, n, err);
    for (size_t i = 0; i < raw->n; i++) {
        if (!keep[i])
            continue;
        text[k] = raw->text[i];
        row[k] = raw->row[i];
        if (text_b)
            text_b[k] = raw->text_b[i];
        if (label)
            label[k] = label[i];
        if (value)
            value[k] = value[i];
        d->report.n_empty_texts += text[k].n_bytes == 0;
        k++;
    }
    d->n = n;
    d->text = text;
    d->text_b = text_b;
    d->row = row;
    return DSC_OK;
}

enum dsc_status dsc_bad_labels(const struct dsc_dataset *d, const struct dsc_data_spec *spec,
                               struct dsc_bad *b, struct dsc_err *err)
{
    const bool is_unknown = b->status == DSC_E_RANGE;
    const enum dsc_status st = dsc_bad_finish(b, err);
    char list[256] = "";
    size_t n = 0, i = 0;

    if (!is_unknown)
        return st;
    if (!spec->labels)
        return dsc_err_hint(err, "the model has %zu classes, 0 to %zu; values are --task regress",
                            d->n_labels, d->n_labels - 1);
    for (; i < d->n_labels && n + strlen(d->label_names[i]) + 3 < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", d->label_names[i]);
    dsc_err_hint(err, "the label map is: %s%s", list, i < d->n_labels ? ", .." : "");
    return st;
}

enum dsc_status dsc_part_is_empty(const struct dsc_data_spec *spec, struct dsc_err *err)
{
    static const char *const part[] = {"all", "train", "dev", "test"};

    return dsc_fail(err, DSC_E_EMPTY, "the part '%s' has no rows", part[spec->part]);
}

static enum dsc_status finish(struct dsc_dataset *d, const struct dsc_raw *raw,
                              const struct dsc_data_spec *spec, struct dsc_bad *bad,
                              struct dsc_arena *arena, struct dsc_err *err)
{
    const bool is_split = spec->split.train + spec->split.dev + spec->split.test > 0;
    unsigned char *keep;
    enum dsc_status st;

    if (raw->n == 0)
        return dsc_fail(err, DSC_E_EMPTY, "no rows");
    DSC_TRY(dsc_labels_resolve(d, raw, spec, bad, arena, err));
    if (bad->n > 0)
        return dsc_bad_labels(d, spec, bad, err);
    keep = dsc_heap_alloc(raw->n, 1, err);
    if (!keep)
        return DSC_E_MEMORY;
    memset(keep, 1, raw->n);
    st = is_split ? dsc_split_texts(d, raw, spec, keep, err) : DSC_OK;
    if (st == DSC_OK)
        st = keep_rows(d, raw, keep, arena, err);
    dsc_heap_free(keep);
    if (st == DSC_OK && d->n == 0)
        return dsc_part_is_empty(spec, err);
    return st;
}

static enum dsc_status check_spec(const struct dsc_data_spec *spec, struct dsc_err *err)
{
    const struct dsc_split *s = &spec->split;
    const int sum = s->train + s->dev + s->test;

    if (sum != 0 && (sum != 100 || s->train < 0 || s->dev < 0 || s->test < 0))
        return dsc_fail(err, DSC_E_USAGE, "a split of %d/%d/%d does not sum to 100", s->train,
                        s->dev, s->test);
    if (spec->part != DSC_PART_ALL && sum == 0) {
        dsc_fail(err, DSC_E_USAGE, "a part without a split");
        return dsc_err_hint(err, "add --split 70/10/20");
    }
    return DSC_OK;
}

enum dsc_status dsc_rows_begin(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                               struct dsc_rows *r, struct dsc_err *err)
{
    const unsigned char *s = d->file.data;
    const size_t n = d->file.n_bytes;

    if (n == 0)
        return dsc_fail(err, DSC_E_EMPTY, "no rows: the file is empty");
    r->data = s;
    r->n_bytes = n;
    r->pos = n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    if (spec->encoding_errors == DSC_ENCODING_REPLACE) {
        if (dsc_utf8_valid_prefix(s, n) == n)
            return DSC_OK;
        d->report.n_replaced = dsc_utf8_replace(&d->decoded, s, n);
        if (d->decoded.is_failed)
            return dsc_fail(err, DSC_E_MEMORY, "no memory to decode %zu bytes", n);
        r->data = d->decoded.data;
        r->n_bytes = d->decoded.n_bytes;
    } else if (n >= 2 && ((s[0] == 0xFF && s[1] == 0xFE) || (s[0] == 0xFE && s[1] == 0xFF))) {
        dsc_fail(err, DSC_E_ENCODING, "UTF-16, not UTF-8");
        dsc_err_where(err, "row 0, line 1, byte 0");
        return dsc_err_hint(err, "iconv -f UTF-16 -t UTF-8");
    }
    return DSC_OK;
}

/* Bytes to cells to rows. */
static enum dsc_status load_texts(struct dsc_dataset *d, const struct dsc_reader *reader,
                                  const struct dsc_data_spec *spec, struct dsc_arena *arena,
                                  struct dsc_err *err)
{
    static const char *const roles[DSC_N_COLS] = {"text", "text_b", "label"};
    struct dsc_rows r = {.arena = arena, .n_cols = DSC_N_COLS, .is_wanted = {true, true, true}};
    struct dsc_raw raw = {0};
    struct dsc_bad bad = {0};
    enum dsc_status st;

    r.is_required[DSC_COL_TEXT] = true;
    r.is_required[DSC_COL_LABEL] = spec->needs_label;
    r.is_wanted[DSC_COL_LABEL] = spec->target != DSC_TARGET_NONE;
    DSC_TRY_OUT(
        st, dsc_columns_map(spec->columns, roles, DSC_N_COLS, r.names, r.is_mapped, arena, err));
    DSC_TRY_OUT(st, dsc_rows_begin(d, spec, &r, err));
    DSC_TRY_OUT(st, reader->begin(&r, err));
    DSC_TRY_OUT(st, read_rows(&r, reader, &raw, &bad, &d->report.n_rows, err));
    d->report.n_blank = r.n_blank;
    DSC_TRY_OUT(st, dsc_bad_finish(&bad, err));
    DSC_TRY_OUT(st, finish(d, &raw, spec, &bad, arena, err));
out:
    dsc_bytes_clear(&bad.text);
    dsc_raw_clear(&raw);
    return st;
}

enum dsc_status dsc_data_read(struct dsc_dataset *d, const char *path,
                              const struct dsc_data_spec *spec, struct dsc_arena *arena,
                              struct dsc_err *err)
{
    struct dsc_err own = {0};
    struct dsc_err *e = err ? err : &own; /* messages are built in it */
    struct dsc_sha256 h;
    const struct dsc_reader *reader = NULL;
    enum dsc_status st;

    *d = (struct dsc_dataset){0};
    DSC_TRY(check_spec(spec, e));
    DSC_TRY_OUT(st, dsc_file_open(&d->file, path, 0, e));
    dsc_sha256_init(&h);
    dsc_sha256_add(&h, d->file.data, d->file.n_bytes);
    dsc_sha256_hex(&h, d->report.sha256);
    DSC_TRY_OUT(st, pick_reader(&reader, path, spec->format, &d->file, e));
    d->report.format = reader->name;
    st = reader->load  ? reader->load(d, spec, arena, e)
         : spec->table ? dsc_table_load(d, reader, spec, arena, e)
                       : load_texts(d, reader, spec, arena, e);
out:
    if (st != DSC_OK) {
        dsc_err_file(e, strcmp(path, "-") ? path : "<stdin>");
        dsc_dataset_close(d);
    }
    return st;
}

enum dsc_status dsc_dataset_take(const struct dsc_dataset *d, const size_t *idx, size_t n,
                                 struct dsc_dataset *part, struct dsc_arena *arena,
                                 struct dsc_err *err)
{
    struct dsc_text *text = NULL, *text_b = NULL;
    int32_t *label = NULL;
    double *value = NULL;
    int64_t *row;

    DSC_NEW(row, arena, n, err);
    if (d->text)
        DSC_NEW(text, arena, n, err);
    if (d->text_b)
        DSC_NEW(text_b, arena, n, err);
    if (d->label)
        DSC_NEW(label, arena, n, err);
    if (d->value)
        DSC_NEW(value, arena, n, err);
    for (size_t i = 0; i < n; i++) {
        row[i] = d->row[idx[i]];
        if (text)
            text[i] = d->text[idx[i]];
        if (text_b)
            text_b[i] = d->text_b[idx[i]];
        if (label)
            label[i] = d->label[idx[i]];
        if (value)
            value[i] = d->value[idx[i]];
    }
    *part = *d;
    part->n = n;
    part->text = text;
    part->text_b = text_b;
    part->label = label;
    part->value = value;
    part->row = row;
    return DSC_OK;
}

enum dsc_status dsc_dataset_spread(struct dsc_dataset *d, size_t n, struct dsc_arena *arena,
                                   struct dsc_err *err)
{
    size_t *idx;

    if (n >= d->n)
        return DSC_OK;
    DSC_NEW(idx, arena, n, err);
    for (size_t i = 0; i < n; i++)
        idx[i] = i * d->n / n;
    return dsc_dataset_take(d, idx, n, d, arena, err);
}

enum dsc_status dsc_dataset_append(struct dsc_dataset *d, const struct dsc_dataset *more,
                                   struct dsc_err *err)
{
    if (!d->arrays != !more->arrays)
        return dsc_fail(err, DSC_E_INCONSISTENT, "some rows are texts and others arrays");
    for (size_t i = 0; d->arrays && i < d->n_arrays; i++) {
        const struct dsc_tensor *a = &d->arrays[i], *b = &more->arrays[i];
        bool fits = a->dtype == b->dtype && a->rank == b->rank;

        for (int k = 1; fits && k < a->rank; k++)
            fits = a->dim[k] == b->dim[k];
        if (!fits)
            return dsc_fail(err, DSC_E_INCONSISTENT, "array %zu of the rows has two shapes", i);
    }
    d->more = more;
    d->n += more->n;
    return DSC_OK;
}

size_t dsc_dataset_n_own(const struct dsc_dataset *d)
{
    return d->more ? d->n - d->more->n : d->n;
}

const struct dsc_dataset *dsc_dataset_at(const struct dsc_dataset *d, int64_t *i)
{
    while (d->more && *i >= (int64_t)dsc_dataset_n_own(d)) {
        *i -= (int64_t)dsc_dataset_n_own(d);
        d = d->more;
    }
    return d;
}

void dsc_dataset_close(struct dsc_dataset *d)
{
    dsc_file_close(&d->file);
    dsc_bytes_clear(&d->decoded);
    dsc_bundle_clear(&d->bundle);
}
