/* Aligned text tables. */
#include "table.h"

#include "term.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

void dsc_table_init(struct dsc_table *t, struct dsc_arena *arena, const char *headers)
{
    *t = (struct dsc_table){.arena = arena};
    while (t->err.status == DSC_OK && t->n_cols < DSC_TABLE_MAX_COLS) {
        const size_t n = strcspn(headers, ",");

        t->header[t->n_cols++] = dsc_arena_strndup(arena, headers, n, &t->err);
        if (!headers[n])
            break;
        headers += n + 1;
    }
}

static enum dsc_status grow(struct dsc_table *t)
{
    const int cap = t->cap_cells ? 2 * t->cap_cells : 64;
    char **cells;

    DSC_NEW(cells, t->arena, cap, &t->err);
    if (t->n_cells)
        memcpy(cells, t->cells, (size_t)t->n_cells * sizeof *cells);
    t->cells = cells;
    t->cap_cells = cap;
    return DSC_OK;
}

void dsc_table_cell(struct dsc_table *t, const char *fmt, ...)
{
    char text[512], shown[1024];
    va_list ap;

    if (t->err.status != DSC_OK || (t->n_cells == t->cap_cells && grow(t) != DSC_OK))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dsc_text_show(shown, sizeof shown, text);
    t->cells[t->n_cells++] = dsc_arena_strdup(t->arena, shown, &t->err);
}

static void print_cell(FILE *f, const char *text, int width, bool is_right, bool is_last)
{
    const int pad = width - dsc_text_columns(text);

    if (is_right)
        fprintf(f, "%*s%s", pad, "", text);
    else
        fprintf(f, "%s%*s", text, is_last ? 0 : pad, "");
    fputs(is_last ? "\n" : "  ", f);
}

enum dsc_status dsc_table_print(struct dsc_table *t, FILE *f, struct dsc_err *err)
{
    int width[DSC_TABLE_MAX_COLS];

    if (t->err.status != DSC_OK)
        return dsc_fail(err, t->err.status, "%s", t->err.message);
    for (int c = 0; c < t->n_cols; c++) {
        width[c] = dsc_text_columns(t->header[c] + (t->header[c][0] == '>'));
        for (int i = c; i < t->n_cells; i += t->n_cols)
            if (dsc_text_columns(t->cells[i]) > width[c])
                width[c] = dsc_text_columns(t->cells[i]);
    }
    for (int c = 0; c < t->n_cols; c++) {
        const bool is_right = t->header[c][0] == '>';

        print_cell(f, t->header[c] + is_right, width[c], is_right, c + 1 == t->n_cols);
    }
    for (int i = 0; i < t->n_cells; i++) {
        const int c = i % t->n_cols;

        print_cell(f, t->cells[i], width[c], t->header[c][0] == '>',
                   c + 1 == t->n_cols || i + 1 == t->n_cells);
    }
    return DSC_OK;
}
