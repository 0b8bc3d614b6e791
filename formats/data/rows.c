/* What the readers of rows share: lines, faults, the header row. */
#include "encoding.h"
#include "reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool dsc_rows_line(struct dsc_rows *r, size_t *begin, size_t *end)
{
    const unsigned char *nl;

    if (r->pos >= r->n_bytes)
        return false;
    *begin = r->pos;
    nl = memchr(r->data + r->pos, '\n', r->n_bytes - r->pos);
    *end = nl ? (size_t)(nl - r->data) : r->n_bytes;
    r->pos = nl ? *end + 1 : r->n_bytes;
    r->line++;
    if (*end > *begin && r->data[*end - 1] == '\r')
        --*end;
    return true;
}

void dsc_row_fault(struct dsc_row *row, enum dsc_status s, const char *fmt, ...)
{
    va_list ap;

    if (row->fault_status != DSC_OK)
        return;
    row->fault_status = s;
    va_start(ap, fmt);
    vsnprintf(row->fault, sizeof row->fault, fmt, ap);
    va_end(ap);
}

enum dsc_status dsc_columns_map(const char *columns, const char *const *roles, size_t n_roles,
                                const char **names, bool *is_mapped, struct dsc_arena *arena,
                                struct dsc_err *err)
{
    for (size_t i = 0; i < n_roles; i++) {
        names[i] = roles[i];
        is_mapped[i] = false;
    }
    for (const char *s = columns; s && *s;) {
        const size_t n = strcspn(s, ","), n_role = strcspn(s, "=,");
        size_t i = 0;

        while (i < n_roles && (strlen(roles[i]) != n_role || strncmp(roles[i], s, n_role) != 0))
            i++;
        if (i == n_roles || n_role + 1 >= n || is_mapped[i]) {
            const bool is_twice = i < n_roles && is_mapped[i];

            dsc_fail(err, DSC_E_USAGE, "'%.*s' %s", (int)n, s,
                     is_twice ? "maps a column twice" : "maps no column that there can be");
            return dsc_err_hint(err, "--columns %s=NAME,label=NAME", roles[0]);
        }
        names[i] = dsc_arena_strndup(arena, s + n_role + 1, n - n_role - 1, err);
        if (!names[i])
            return DSC_E_MEMORY;
        is_mapped[i] = true;
        s += n;
        s += *s == ',';
    }
    return DSC_OK;
}

static bool is_name(const struct dsc_text *t, const char *name)
{
    return t->n_bytes == strlen(name) && memcmp(t->data, name, t->n_bytes) == 0;
}

static enum dsc_status missing_column(const struct dsc_rows *r, int c, const struct dsc_text *field,
                                      size_t n_fields, struct dsc_err *err)
{
    static const char *const role[DSC_N_COLS] = {"text", "text_b", "label"};
    struct dsc_bytes list = {0};
    char one[192];
    size_t n_shown = n_fields < 30 ? n_fields : 30;

    for (size_t i = 0; i < n_shown; i++) {
        const char *q = dsc_quote_for_message(one, field[i].data, field[i].n_bytes);

        dsc_bytes_text(&list, i ? ", " : "");
        dsc_bytes_text(&list, q);
    }
    if (n_shown < n_fields)
        dsc_bytes_printf(&list, " and %zu more", n_fields - n_shown);
    dsc_bytes_add(&list, "", 1);
    dsc_fail(err, DSC_E_SCHEMA, "no column '%s'; there are: %s", r->names[c],
             list.is_failed ? "?" : (const char *)list.data);
    dsc_bytes_clear(&list);
    if (c >= DSC_N_COLS)
        return dsc_err_hint(err, "the first row must name the columns");
    return dsc_err_hint(err, "the first row must name the columns; --columns %s=NAME picks one",
                        role[c]);
}

enum dsc_status dsc_rows_header(struct dsc_rows *r, const struct dsc_text *field, size_t n_fields,
                                struct dsc_err *err)
{
    r->n_fields = n_fields;
    for (size_t i = 0; i < n_fields; i++) {
        const unsigned char *s = (const unsigned char *)field[i].data;

        if (dsc_utf8_valid_prefix(s, field[i].n_bytes) != field[i].n_bytes) {
            dsc_fail(err, DSC_E_ENCODING, "the header row is not UTF-8");
            return dsc_err_where(err, "header, field %zu", i + 1);
        }
    }
    for (int c = 0; c < r->n_cols; c++) {
        r->place[c] = -1;
        for (size_t i = 0; r->is_wanted[c] && i < n_fields; i++) {
            if (!is_name(&field[i], r->names[c]))
                continue;
            if (r->place[c] >= 0)
                return dsc_fail(err, DSC_E_DUP, "column '%s' stands twice in the header",
                                r->names[c]);
            r->place[c] = (int64_t)i;
        }
        if (r->place[c] < 0 && (r->is_required[c] || r->is_mapped[c]) && r->is_wanted[c])
            return missing_column(r, c, field, n_fields, err);
    }
    return DSC_OK;
}
