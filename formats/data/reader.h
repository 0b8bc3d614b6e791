/*
 * The record of a row format, and what its file must provide. Internal to formats/data.
 *
 * A reader cuts bytes into rows and rows into the wanted cells. Encoding, labels, splits and
 * reporting are not its business: they are the same for every format (dataset.c).
 */
#ifndef FORMATS_READER_H
#define FORMATS_READER_H

#include "formats_data.h"

/** The columns of rows of text; those of a table (formats_table.h) come behind them. */
enum dsc_column { DSC_COL_TEXT, DSC_COL_TEXT_B, DSC_COL_LABEL, DSC_N_COLS };

enum { DSC_COLS_MAX = DSC_N_COLS + 64 };

/** One cell: bytes in the file, or in the arena where they had to be decoded. */
struct dsc_cell {
    struct dsc_text s;
    bool is_there;
};

/**
 * One row. `fault` says what is wrong with it ("" = nothing): the reader could go on behind it.
 * Bytes [begin, end) of the file are the row without its line end.
 */
struct dsc_row {
    struct dsc_cell cell[DSC_COLS_MAX];
    size_t line; /* first line of the row, from 1 */
    size_t begin, end;
    enum dsc_status fault_status;
    char fault[160];
};

/**
 * State of one reading.
 *
 * n_cols   columns that may be wanted, DSC_N_COLS or more
 * names    what each column is called in the file; is_mapped: the user said so
 * place    header formats: field index of each column, -1 when there is none
 * n_fields header formats: fields in the header
 */
struct dsc_rows {
    const unsigned char *data;
    size_t n_bytes;
    size_t pos;
    size_t line; /* of pos */
    int n_cols;
    const char *names[DSC_COLS_MAX];
    bool is_mapped[DSC_COLS_MAX];
    bool is_wanted[DSC_COLS_MAX];   /* may be used */
    bool is_required[DSC_COLS_MAX]; /* its absence is an error */
    int64_t place[DSC_COLS_MAX];
    size_t n_fields;
    size_t n_blank;
    struct dsc_arena *arena;
};

/**
 * begin  reads the header and fills `place` (JSONL: nothing to do)
 * next   reads one row; is_end at the end of the data. Fails only where no row can follow.
 * load   of a format whose rows are not cells: all of d but its report's format and sha256, from
 *        d->file. begin and next are then NULL.
 */
struct dsc_reader {
    const char *name;
    const char *extensions; /* separated by a space */
    enum dsc_status (*begin)(struct dsc_rows *r, struct dsc_err *err);
    enum dsc_status (*next)(struct dsc_rows *r, struct dsc_row *row, bool *is_end,
                            struct dsc_err *err);
    enum dsc_status (*load)(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                            struct dsc_arena *arena, struct dsc_err *err);
};

#define DSC_READER(name) extern const struct dsc_reader dsc_reader_##name;
#include "readers.def"
#undef DSC_READER

/**
 * "text=review,label=fraud" into the names of n_roles columns, which else are called as the roles.
 *
 * Errors  USAGE  a role that is none, or stands twice
 */
enum dsc_status dsc_columns_map(const char *columns, const char *const *roles, size_t n_roles,
                                const char **names, bool *is_mapped, struct dsc_arena *arena,
                                struct dsc_err *err);

struct dsc_raw;

/** The bytes that rows are read from: behind the byte order mark, decoded where asked for. */
enum dsc_status dsc_rows_begin(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                               struct dsc_rows *r, struct dsc_err *err);
/** What is wrong with a row whatever its format; `byte` is moved to the place, if there is one. */
void dsc_rows_check(const struct dsc_rows *r, const struct dsc_raw *raw, struct dsc_row *row,
                    size_t *byte);

/** Next line [begin, end) without \n or \r\n; pos and line move behind it. False at the end. */
bool dsc_rows_line(struct dsc_rows *r, size_t *begin, size_t *end);

/** Note what is wrong with a row; the first fault is kept. */
void dsc_row_fault(struct dsc_row *row, enum dsc_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/**
 * Find the wanted columns among the fields of a header row.
 *
 * Errors  SCHEMA  a required or mapped column is not there; the message lists those that are
 *         DUP     a wanted name stands twice
 */
enum dsc_status dsc_rows_header(struct dsc_rows *r, const struct dsc_text *field, size_t n_fields,
                                struct dsc_err *err);

#endif
