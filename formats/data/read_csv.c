/*
 * CSV as RFC 4180: fields between commas; a field in double quotes may hold commas, line ends and
 * doubled quotes. A quote inside an unquoted field is a character. The first row names the columns.
 */
#include "reader.h"

#include <string.h>

/* Undouble the quotes of [from, to) into the arena. */
static enum dsc_status undouble(struct dsc_rows *r, size_t from, size_t to, struct dsc_text *f,
                                struct dsc_err *err)
{
    char *s;
    size_t n = 0;

    DSC_NEW(s, r->arena, to - from, err);
    for (size_t i = from; i < to; i++) {
        s[n++] = (char)r->data[i];
        i += r->data[i] == '"';
    }
    *f = (struct dsc_text){s, n};
    return DSC_OK;
}

/* A field that begins with a quote at pos; pos moves behind the closing one. */
static enum dsc_status quoted(struct dsc_rows *r, struct dsc_text *f, struct dsc_err *err)
{
    const size_t open_line = r->line + 1, from = ++r->pos;
    bool has_doubled = false;

    for (; r->pos < r->n_bytes; r->pos++) {
        r->line += r->data[r->pos] == '\n';
        if (r->data[r->pos] != '"')
            continue;
        if (r->pos + 1 == r->n_bytes || r->data[r->pos + 1] != '"')
            break;
        has_doubled = true;
        r->pos++;
    }
    if (r->pos == r->n_bytes) {
        dsc_fail(err, DSC_E_TRUNC, "a quote is never closed");
        return dsc_err_where(err, "line %zu, byte %zu", open_line, from - 1);
    }
    *f = (struct dsc_text){(const char *)r->data + from, r->pos - from};
    r->pos++;
    return has_doubled ? undouble(r, from, r->pos - 1, f, err) : DSC_OK;
}

static void unquoted(struct dsc_rows *r, struct dsc_text *f)
{
    const size_t from = r->pos;
    size_t end;

    while (r->pos < r->n_bytes && r->data[r->pos] != ',' && r->data[r->pos] != '\n')
        r->pos++;
    end = r->pos;
    if (end > from && r->data[end - 1] == '\r' && (end == r->n_bytes || r->data[end] == '\n'))
        end--;
    *f = (struct dsc_text){(const char *)r->data + from, end - from};
}

static bool at_row_end(const struct dsc_rows *r)
{
    return r->pos == r->n_bytes || r->data[r->pos] == '\n' ||
           (r->data[r->pos] == '\r' && (r->pos + 1 == r->n_bytes || r->data[r->pos + 1] == '\n'));
}

/* One field; a bad one is reported in `fault` and skipped up to the next comma or line end. */
static enum dsc_status one_field(struct dsc_rows *r, struct dsc_text *f, const char **fault,
                                 struct dsc_err *err)
{
    if (r->pos >= r->n_bytes || r->data[r->pos] != '"') {
        unquoted(r, f);
        return DSC_OK;
    }
    DSC_TRY(quoted(r, f, err));
    if (!at_row_end(r) && r->data[r->pos] != ',') {
        struct dsc_text rest;

        *fault = "text behind a closing quote";
        unquoted(r, &rest);
    }
    return DSC_OK;
}

/* At pos stands the end of a row or of the data: go behind it. Gives the end of the row. */
static size_t end_row(struct dsc_rows *r)
{
    size_t end = r->pos;

    if (r->pos < r->n_bytes && r->data[r->pos] == '\r')
        r->pos++;
    else if (end > 0 && r->pos < r->n_bytes && r->data[end - 1] == '\r')
        end--;
    if (r->pos < r->n_bytes)
        r->pos++;
    r->line++;
    return end;
}

static bool skip_blank(struct dsc_rows *r)
{
    while (r->pos < r->n_bytes && at_row_end(r)) {
        end_row(r);
        r->n_blank++;
    }
    return r->pos < r->n_bytes;
}

static enum dsc_status begin(struct dsc_rows *r, struct dsc_err *err)
{
    struct dsc_text *field = NULL;
    const char *fault = NULL;
    size_t n = 0, cap = 0;
    enum dsc_status st = DSC_OK;

    if (!skip_blank(r))
        return dsc_fail(err, DSC_E_EMPTY, "no header row");
    for (;;) {
        if (n == cap) {
            struct dsc_text *p = dsc_heap_grow(field, cap ? cap * 2 : 32, sizeof *field, err);

            if (!p) {
                st = DSC_E_MEMORY;
                goto out;
            }
            field = p;
            cap = cap ? cap * 2 : 32;
        }
        DSC_TRY_OUT(st, one_field(r, &field[n++], &fault, err));
        if (at_row_end(r))
            break;
        r->pos++; /* the comma */
    }
    end_row(r);
    if (fault)
        st = dsc_fail(err, DSC_E_SCHEMA, "%s in the header row", fault);
    else
        st = dsc_rows_header(r, field, n, err);
out:
    dsc_heap_free(field);
    return st;
}

static enum dsc_status next(struct dsc_rows *r, struct dsc_row *row, bool *is_end,
                            struct dsc_err *err)
{
    const char *fault = NULL;
    size_t n_fields = 0;

    *is_end = !skip_blank(r);
    if (*is_end)
        return DSC_OK;
    row->line = r->line + 1;
    row->begin = r->pos;
    for (;; r->pos++) {
        struct dsc_text f;

        DSC_TRY(one_field(r, &f, &fault, err));
        for (int c = 0; c < r->n_cols; c++)
            if (r->place[c] == (int64_t)n_fields)
                row->cell[c] = (struct dsc_cell){f, true};
        n_fields++;
        if (at_row_end(r))
            break;
    }
    row->end = end_row(r);
    if (fault)
        dsc_row_fault(row, DSC_E_SCHEMA, "%s", fault);
    if (n_fields != r->n_fields)
        dsc_row_fault(row, DSC_E_SCHEMA, "%zu field%s, the header has %zu", n_fields,
                      n_fields == 1 ? "" : "s", r->n_fields);
    return DSC_OK;
}

const struct dsc_reader dsc_reader_csv = {
    .name = "csv",
    .extensions = "csv",
    .begin = begin,
    .next = next,
};
