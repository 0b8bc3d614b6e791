/*
 * Rows with labels: texts from .tsv, .csv and .jsonl files, arrays from .npz and .h5, or either
 * from stdin.
 *
 * TSV and CSV start with a header row; TSV has no quoting, CSV quotes as RFC 4180. JSONL has one
 * object a line. Columns are `text`, `text_b` (optional) and `label`, or what `columns` maps them
 * to. A byte order mark is skipped; blank lines are skipped and counted. NUL is a character like
 * any other in a text, and refused in names and labels.
 *
 * An .npz (or .h5, of which all of this holds too) has an array for each input, named as it is, and
 * `label`; rows lie along the first axis. Labels that are whole numbers (or booleans) are classes
 * counted from 0, others are values. Stored arrays are read where they lie in the file, deflated
 * ones stay in memory.
 */
#ifndef FORMATS_DATA_H
#define FORMATS_DATA_H

#include "dsc/arena.h"
#include "dsc/bundle.h"
#include "dsc/graph.h"
#include "dsc/io.h"
#include "dsc/log.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DSC_DATA_FIELD_MAX_BYTES = 16 << 20, /* one field or line: a stray quote must not eat a file */
    DSC_DATA_BAD_ROWS_SHOWN = 20,
    DSC_DATA_CLASSES_MAX = 65536 /* numbered by an .npz that no model bounds */
};

/** Bytes that are NOT ended by 0: they may lie in the mapped file. Valid UTF-8. */
struct dsc_text {
    const char *data;
    size_t n_bytes;
};

enum dsc_encoding_errors { DSC_ENCODING_STRICT, DSC_ENCODING_REPLACE };

/** What the label column means; AUTO infers CLASS or VALUE from it. */
enum dsc_target { DSC_TARGET_AUTO, DSC_TARGET_CLASS, DSC_TARGET_VALUE, DSC_TARGET_NONE };

enum dsc_part { DSC_PART_ALL, DSC_PART_TRAIN, DSC_PART_DEV, DSC_PART_TEST };

/** Percentages of the parts; they sum to 100. Zero-initialised: no split. */
struct dsc_split {
    int train, dev, test;
};

/** What an array of rows must be. type: with the axis of rows; what is unknown is not checked. */
struct dsc_row_input {
    const char *name;
    struct dsc_type type;
    bool is_optional;
};

struct dsc_table;
struct dsc_table_facts;

/**
 * How to read. Zero-initialised: format by the file's extension, columns by their own names,
 * strict UTF-8, labels inferred where there are any, no split.
 *
 * format      "tsv", "csv", "jsonl", "npz", "hdf5", or NULL: by extension; stdin is then sniffed
 *             ("PK" first: npz; '{' first: JSONL; a tab in the first line: TSV; else CSV)
 * columns     "text=review,label=fraud" or NULL; of .npz "INPUT=ARRAY,label=ARRAY"
 * labels      the label map of an artefact: label idx = place in it; NULL: inferred. A map of the
 *             placeholders LABEL_0, LABEL_1 .. also accepts the numbers 0, 1 ..; a number of an
 *             .npz is a place in the map, unless the names of the map are whole numbers themselves
 * n_classes   of the model, 0: not known. Without a map, labels that are numbers below it are the
 *             classes themselves; other data must have so many classes
 * needs_label a missing label column is an error; otherwise it makes target NONE
 * inputs      what an .npz must hold; none: rows of text only
 * table       NULL, or how rows of numbers and categories become sequences (formats_table.h): the
 *             rows of .tsv, .csv and .jsonl are then those of a table, the set holds arrays, and a
 *             split is by order: the first rows are train
 * learn       with a table: what the kept rows say of its columns is put here, and no arrays are
 * made log         arrays that are not used are told; may be NULL
 */
struct dsc_data_spec {
    const char *format;
    const char *columns;
    enum dsc_encoding_errors encoding_errors;
    enum dsc_target target;
    const char *const *labels;
    size_t n_labels;
    size_t n_classes;
    bool needs_label;
    struct dsc_split split;
    enum dsc_part part;
    const struct dsc_row_input *inputs;
    size_t n_inputs;
    const struct dsc_table *table;
    struct dsc_table_facts *learn;
    const struct dsc_log *log;
};

/** What was read and what was left out, for the report. */
struct dsc_data_report {
    const char *format;
    size_t n_rows;        /* rows in the file, header and blank lines not counted */
    size_t n_blank;       /* blank lines skipped */
    size_t n_duplicates;  /* under a split: rows dropped because text (and text_b), or all inputs of
                             an .npz, came before */
    size_t n_conflicts;   /* of these, with another label than the first */
    size_t n_other_parts; /* distinct rows that belong to the other parts */
    size_t n_replaced;    /* U+FFFD put in by encoding_errors = REPLACE */
    size_t n_empty_texts; /* kept rows with an empty text; of .npz 0 */
    char sha256[65];      /* of the file's bytes */
};

/**
 * The rows. Inferred classes are sorted: numerically when all labels are numbers, else by bytes;
 * the map covers the whole file, whatever part is kept.
 *
 * Shapes  text, text_b, label or value, row: [n]; text_b NULL without such a column; of .npz both
 *         are NULL, and arrays [n_inputs of the spec] as they lie in the file, AT ANY ALIGNMENT:
 *         example i is slice row[i] of each; an optional one that the file lacks is no tensor
 * Units   row: index of the row in the file from 0, the same under any split: the example id
 *         label: index into label_names (CLASS); value: finite (VALUE)
 * Memory  arrays and names live in the arena; texts in it or in the file, until dsc_dataset_close
 */
struct dsc_dataset {
    size_t n;
    const struct dsc_text *text;
    const struct dsc_text *text_b;
    const struct dsc_tensor *arrays;
    size_t n_arrays;
    enum dsc_target target; /* CLASS, VALUE or NONE */
    const int32_t *label;
    const double *value;
    const int64_t *row;
    size_t n_labels;
    const char *const *label_names;
    const struct dsc_dataset *more; /* by dsc_dataset_append: it holds the last rows of the n */
    struct dsc_data_report report;
    struct dsc_file file;
    struct dsc_bytes decoded; /* the file with replaced bytes, when there were any */
    struct dsc_bundle bundle; /* of an .npz */
};

/**
 * Read a DATA argument; `path` "-" is stdin. Bad rows are counted through the whole file, the
 * first 20 are described in the one error, whose class is that of the first.
 *
 * Memory  close the set after success; a failed read leaves nothing open
 * Errors  NOINPUT      missing or unreadable
 *         UNSUPPORTED  an extension that names no format
 *         USAGE        `columns`, `split` or `part` that cannot be
 *         SCHEMA       no such column (those there are listed); a row of the wrong form
 *         DUP          a column that stands twice
 *         ENCODING     bytes that are not UTF-8, with row, line and byte
 *         RANGE        a label outside the map; NONFINITE: a value that is not finite
 *         LIMIT        a field of over DSC_DATA_FIELD_MAX_BYTES
 *         TRUNC        a quote that is never closed
 *         EMPTY        no rows, or none in this part
 *         of .npz also those of dsc_npz_read, and: SCHEMA a missing array; INCONSISTENT other
 *         numbers of rows; TYPE, SHAPE not what the input takes; NONFINITE in an input
 */
enum dsc_status dsc_data_read(struct dsc_dataset *d, const char *path,
                              const struct dsc_data_spec *spec, struct dsc_arena *arena,
                              struct dsc_err *err);

/**
 * The rows idx [n] of d as a set of their own, in that order; it may be d itself. It shares the
 * storage of d, which is the one to be closed.
 */
enum dsc_status dsc_dataset_take(const struct dsc_dataset *d, const size_t *idx, size_t n,
                                 struct dsc_dataset *part, struct dsc_arena *arena,
                                 struct dsc_err *err);

/**
 * Keep n rows, evenly spaced from the first on; all of them when there are no more. The report
 * stays that of the whole set.
 */
enum dsc_status dsc_dataset_spread(struct dsc_dataset *d, size_t n, struct dsc_arena *arena,
                                   struct dsc_err *err);

/**
 * The rows of `more` behind those of d, without labels: d->n counts them, and arrays of d have none
 * of them. `more` outlives d.
 * Errors  INCONSISTENT  one holds texts and the other arrays, or these have other sizes
 */
enum dsc_status dsc_dataset_append(struct dsc_dataset *d, const struct dsc_dataset *more,
                                   struct dsc_err *err);
/** The set that holds row *i of d; *i becomes its place there. */
const struct dsc_dataset *dsc_dataset_at(const struct dsc_dataset *d, int64_t *i);
/** Rows of d itself: those that may have labels. */
size_t dsc_dataset_n_own(const struct dsc_dataset *d);

/** Texts are gone after this; arrays stay as long as the arena. May be repeated. */
void dsc_dataset_close(struct dsc_dataset *d);

/** "70/10/20" and "train", "dev", "test"; anything else is USAGE. */
enum dsc_status dsc_split_parse(const char *text, struct dsc_split *split, struct dsc_err *err);
enum dsc_status dsc_part_parse(const char *text, enum dsc_part *part, struct dsc_err *err);

/**
 * The part of a text: the first 8 hex digits of its sha256, mod 100; below `train`: train, below
 * `train + dev`: dev, else test. Depends on nothing but the text's bytes.
 */
enum dsc_part dsc_split_part(const struct dsc_split *split, const void *text, size_t n_bytes);

/** Names of the formats, sorted, ended by NULL: for help. */
const char *const *dsc_data_formats(void);

#endif
