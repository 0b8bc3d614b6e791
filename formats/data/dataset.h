/*
 * The stages between rows and a data set. Internal to formats/data.
 */
#ifndef FORMATS_DATASET_H
#define FORMATS_DATASET_H

#include "formats_data.h"

/** Rows as read, in heap arrays that grow; row, line and begin are for messages and ids. */
struct dsc_raw {
    size_t n, cap;
    struct dsc_text *text, *text_b, *label;
    int64_t *row;
    size_t *line, *begin;
    bool has_text_b, has_label;
};

/** Bad rows: all are counted, the first ones described. */
struct dsc_bad {
    size_t n;
    enum dsc_status status; /* of the first */
    char where[96];         /* of the first */
    char first[160];
    struct dsc_bytes text;
};

void dsc_bad_add(struct dsc_bad *b, enum dsc_status s, size_t row, size_t line, size_t byte,
                 const char *what);
/** The one error for all of them; DSC_OK when there are none. Clears the list. */
enum dsc_status dsc_bad_finish(struct dsc_bad *b, struct dsc_err *err);

/**
 * Turn the label column into d->label or d->value (arena arrays of raw->n) and d->label_names.
 * Rows that cannot be are added to `bad`, and DSC_OK is returned.
 */
enum dsc_status dsc_labels_resolve(struct dsc_dataset *d, const struct dsc_raw *raw,
                                   const struct dsc_data_spec *spec, struct dsc_bad *bad,
                                   struct dsc_arena *arena, struct dsc_err *err);

/**
 * Mark the rows to keep (keep[raw->n]) under a split and count the others in d->report.
 */
enum dsc_status dsc_split_mark(struct dsc_dataset *d, const struct dsc_raw *raw,
                               const struct dsc_data_spec *spec, unsigned char *keep,
                               struct dsc_err *err);

/** Order of bytes, shorter first on a tie. */
int dsc_text_compare(const struct dsc_text *a, const struct dsc_text *b);

#endif
