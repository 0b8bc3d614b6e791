/*
 * TSV: fields between tabs, rows between line ends, no quoting and no escapes: what a field
 * holds is what it says. The first row names the columns.
 */
#include "reader.h"

#include <string.h>

static bool next_line(struct dsc_rows *r, size_t *begin, size_t *end)
{
    while (dsc_rows_line(r, begin, end)) {
        if (*begin != *end)
            return true;
        r->n_blank++;
    }
    return false;
}

/* Field at [*at, end): its end is the next tab or the end; *at moves behind the tab. */
static struct dsc_text next_field(const struct dsc_rows *r, size_t *at, size_t end)
{
    const char *s = (const char *)r->data + *at;
    const char *tab = memchr(s, '\t', end - *at);
    const size_t n = tab ? (size_t)(tab - s) : end - *at;

    *at += n + 1; /* behind the end after the last field */
    return (struct dsc_text){s, n};
}

static size_t count_fields(const struct dsc_rows *r, size_t begin, size_t end)
{
    size_t n = 1;

    for (size_t i = begin; i < end; i++)
        n += r->data[i] == '\t';
    return n;
}

static enum dsc_status begin(struct dsc_rows *r, struct dsc_err *err)
{
    struct dsc_text *field;
    size_t from, end, n;

    if (!next_line(r, &from, &end))
        return dsc_fail(err, DSC_E_EMPTY, "no header row");
    n = count_fields(r, from, end);
    DSC_NEW(field, r->arena, n, err);
    for (size_t i = 0; i < n; i++)
        field[i] = next_field(r, &from, end);
    return dsc_rows_header(r, field, n, err);
}

static enum dsc_status next(struct dsc_rows *r, struct dsc_row *row, bool *is_end,
                            struct dsc_err *err)
{
    size_t n_fields = 0;

    *is_end = !next_line(r, &row->begin, &row->end);
    if (*is_end)
        return DSC_OK;
    row->line = r->line;
    for (size_t at = row->begin; at <= row->end; n_fields++) {
        const struct dsc_text f = next_field(r, &at, row->end);

        for (int c = 0; c < r->n_cols; c++)
            if (r->place[c] == (int64_t)n_fields)
                row->cell[c] = (struct dsc_cell){f, true};
    }
    if (n_fields != r->n_fields)
        dsc_row_fault(row, DSC_E_SCHEMA, "%zu field%s, the header has %zu", n_fields,
                      n_fields == 1 ? "" : "s", r->n_fields);
    return DSC_OK;
}

const struct dsc_reader dsc_reader_tsv = {
    .name = "tsv",
    .extensions = "tsv tab",
    .begin = begin,
    .next = next,
};
