/*
 * One array file, from wherever its bytes come. Internal to formats/data.
 */
#ifndef FORMATS_NPY_H
#define FORMATS_NPY_H

#include "dsc/io.h"
#include "formats_npz.h"

/**
 * Bytes in order. `get` fills n_bytes of dst or fails (TRUNC at the end); n_left is how many the
 * source says are still to come. `view`, if there is one, is asked instead for data that need no
 * change: the bytes where they lie, at any alignment; they outlive the tensor.
 */
struct dsc_npy_source {
    enum dsc_status (*get)(void *ctx, void *dst, size_t n_bytes, struct dsc_err *err);
    const void *(*view)(void *ctx, size_t n_bytes);
    void *ctx;
    size_t n_left;
};

/** Read one array; the source must end with it. */
enum dsc_status dsc_npy_load(struct dsc_tensor *t, struct dsc_npy_source *src, struct dsc_err *err);

/** The header of a tensor's file, to `b`: everything before its data. */
enum dsc_status dsc_npy_header(const struct dsc_tensor *t, struct dsc_bytes *b,
                               struct dsc_err *err);

#endif
