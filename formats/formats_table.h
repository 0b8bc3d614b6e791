/*
 * Rows of a table as sequences: columns of numbers, times and categories become the inputs of a
 * model, each row with those before it that have the same key.
 *
 * Inputs of a graph on such rows, T steps, the row itself the last of them:
 *   numbers  f32 [rows, T, F]  the channels of number, log and time columns, in the order of the
 *                              columns, not normalised: that is part of the graph
 *   NAME     i32 [rows, T]     of each category column: 1 + its place in `values`, 0 another value
 *   lengths  i32 [rows]        steps that there are; the others, behind them, are 0
 *
 * A `number` is itself; a `log` is sign(x) log(1 + |x|); a `time` is three channels: log(1 +
 * seconds since the row before it of the same key), 0 for the first, and sine and cosine of the
 * time of day. Times are "YYYY-MM-DD", with " HH:MM", " HH:MM:SS" (or a T between) behind it, or
 * seconds.
 */
#ifndef FORMATS_TABLE_H
#define FORMATS_TABLE_H

#include "dsc/arena.h"
#include "dsc/graph.h"
#include "dsc/status.h"

#include <stddef.h>
#include <stdint.h>

#define DSC_TABLE_NUMBERS "numbers"
#define DSC_TABLE_LENGTHS "lengths"

enum dsc_feature {
    DSC_FEATURE_NUMBER,
    DSC_FEATURE_LOG,
    DSC_FEATURE_TIME,
    DSC_FEATURE_CATEGORY,
    DSC_N_FEATURES
};

/** values: of a category, sorted by bytes; n_values 0 and NULL until they are learned */
struct dsc_table_column {
    const char *name;
    enum dsc_feature kind;
    size_t n_values;
    const char *const *values;
};

/**
 * key    rows of equal key are one sequence; NULL: all rows are
 * order  a time column that sorts the rows; NULL: as they stand in the file
 * label  the column of labels
 */
struct dsc_table {
    size_t n_columns;
    struct dsc_table_column *columns;
    const char *key, *order, *label;
    int64_t n_steps;
};

/** What the kept rows say: mean and 1 / standard deviation (1 where that is 0) of each channel. */
struct dsc_table_facts {
    struct dsc_table *table; /* its categories get their values */
    int64_t n_channels;
    float *mean, *scale;
};

/**
 * From options: features "amount=log", sequence "key=card_id", "order=datetime", "steps=16".
 * Memory  in `arena`
 * Errors  USAGE  words that say nothing, a column twice, too many columns, names of other inputs
 */
enum dsc_status dsc_table_parse(struct dsc_table *t, const char *const *features, int n_features,
                                const char *const *sequence, int n_sequence,
                                struct dsc_arena *arena, struct dsc_err *err);

/** Channels of `numbers`. */
int64_t dsc_table_n_channels(const struct dsc_table *t);

/**
 * What a model says of the rows it reads (dscompress.table); *has false when it says nothing.
 * Memory  in `arena`
 * Errors  SCHEMA  metadata of another form
 */
enum dsc_status dsc_table_of(const struct dsc_graph *g, struct dsc_arena *arena,
                             struct dsc_table *t, bool *has, struct dsc_err *err);
enum dsc_status dsc_table_store(struct dsc_graph *g, const struct dsc_table *t,
                                struct dsc_err *err);

#endif
