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

/** Room for one row more; an emptied set. */
enum dsc_status dsc_raw_reserve(struct dsc_raw *raw, struct dsc_err *err);
void dsc_raw_clear(struct dsc_raw *raw);

/** Bad rows: all are counted, the first ones described. Line 0: the rows are in no lines. */
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

/** The same for the array `t` of an .npz, [rows] or [rows, 1]. Errors: TYPE, SHAPE. */
enum dsc_status dsc_labels_from_array(struct dsc_dataset *d, const struct dsc_tensor *t,
                                      const struct dsc_data_spec *spec, struct dsc_bad *bad,
                                      struct dsc_arena *arena, struct dsc_err *err);

/** "0", "1" .. as a label map. */
enum dsc_status dsc_labels_numbered(size_t n, const char *const **names, struct dsc_arena *arena,
                                    struct dsc_err *err);

/** The error of bad rows; where labels are outside the map, with the map as its hint. */
enum dsc_status dsc_bad_labels(const struct dsc_dataset *d, const struct dsc_data_spec *spec,
                               struct dsc_bad *b, struct dsc_err *err);

/** No rows are left of this part. */
enum dsc_status dsc_part_is_empty(const struct dsc_data_spec *spec, struct dsc_err *err);

/** What a split must know of rows, whatever they are. */
struct dsc_split_rows {
    size_t n;
    int (*compare)(const void *ctx, size_t i, size_t j); /* 0: duplicates */
    void (*hash)(const void *ctx, size_t i, struct dsc_sha256 *h);
    bool (*conflicts)(const void *ctx, size_t i, size_t j); /* do duplicates have other labels? */
    const void *ctx;
};

/** Mark the rows to keep (keep[rows->n]) under a split and count the others in d->report. */
enum dsc_status dsc_split_mark(struct dsc_dataset *d, const struct dsc_split_rows *rows,
                               const struct dsc_data_spec *spec, unsigned char *keep,
                               struct dsc_err *err);
/** The same for texts. */
enum dsc_status dsc_split_texts(struct dsc_dataset *d, const struct dsc_raw *raw,
                                const struct dsc_data_spec *spec, unsigned char *keep,
                                struct dsc_err *err);

/** Order of bytes, shorter first on a tie. */
int dsc_text_compare(const struct dsc_text *a, const struct dsc_text *b);

#endif
