/* Aligned text tables. A header that begins with '>' makes a right-aligned column. */
#ifndef DSC_CLI_TABLE_H
#define DSC_CLI_TABLE_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdio.h>

enum { DSC_TABLE_MAX_COLS = 16 };

struct dsc_table {
    struct dsc_arena *arena;
    int n_cols;
    const char *header[DSC_TABLE_MAX_COLS];
    char **cells; /* row by row */
    int n_cells, cap_cells;
    struct dsc_err err; /* the first failure; print reports it */
};

/** headers: comma-separated, at most DSC_TABLE_MAX_COLS: "name,>params,>bytes". Static text. */
void dsc_table_init(struct dsc_table *t, struct dsc_arena *arena, const char *headers);
/** The next cell, from left to right, row by row. */
void dsc_table_cell(struct dsc_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
enum dsc_status dsc_table_print(struct dsc_table *t, FILE *f, struct dsc_err *err);

#endif
