/* What the files of conv, conv_dx and conv_dw share. */
#ifndef DSC_CPU_CONV_H
#define DSC_CPU_CONV_H

#include "device/cpu/cpu_window.h"

enum {
    DSC_CONV_FEW = 4,       /* filters of a group: fewer are not multiplied as a matrix */
    DSC_CONV_MIN_TILES = 16 /* below it, filters are sliced too */
};

struct dsc_cpu_conv {
    const struct dsc_kernels *kernels;
    const struct dsc_conv_spec *s;
    struct dsc_window win; /* joined */
    enum dsc_dtype dtype;
    int64_t size; /* bytes of an element */
    char *out;    /* y, dx or dw */
    const char *x, *y, *w, *bias;
    char *scratch;
    int64_t n_in, n_out, n_taps, n_rows; /* of a channel; kernel positions; rows of a patch */
    int64_t block, n_blocks;             /* positions */
    int64_t slice, n_slices;             /* filters */
    int64_t chunk, n_chunks;             /* rows of patches, or channels */
    int64_t n_tiles, n_tasks;
    void (*tile)(const struct dsc_cpu_conv *j, int64_t tile, char *scratch);

    struct dsc_window_grid grid; /* F32: of channels that are spread out, or lie so (in place) */
    bool has_grid, is_in_place;
    float *spread; /* of the images from `image` on */
    int64_t image, n_at_once;
    int64_t tap_at[DSC_CONV_MAX_TAPS];
};

static inline int64_t dsc_at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

static inline int64_t dsc_n_parts(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

/** Errors: as dsc_cpu_no_dtype. */
enum dsc_status dsc_cpu_conv_init(struct dsc_cpu_conv *j, struct dsc_device *d,
                                  const struct dsc_conv_spec *s, const char *prim,
                                  const struct dsc_tensor *out, const struct dsc_tensor *scratch,
                                  struct dsc_err *e);
/** n_tiles of all filters: where they are few, of slices of them, `least` filters or more. */
void dsc_cpu_conv_slice(struct dsc_cpu_conv *j, int64_t n_tiles, int64_t least, int64_t most);
/** All tiles, dealt out to the tasks. */
void dsc_cpu_conv_run(struct dsc_device *d, struct dsc_cpu_conv *j);

/**
 * Rows [row, row + n) of the patches of a block: row r = channel * n_taps + tap, from x, the
 * group's first channel. Packed: panels of 16 columns (F32); else rows of b->n.
 */
void dsc_cpu_conv_unfold(const struct dsc_cpu_conv *j, const struct dsc_cpu_block *b, const char *x,
                         int64_t row, int64_t n, bool is_packed, char *cols);
/** The adjoint: adds rows of b->n to the channels of dx. */
void dsc_cpu_conv_fold(const struct dsc_cpu_conv *j, const struct dsc_cpu_block *b, char *dx,
                       int64_t row, int64_t n, const char *cols);
/** One product of the BLAS on the job's type, alpha 1. */
void dsc_cpu_conv_product(const struct dsc_cpu_conv *j, bool is_trans_a, bool is_trans_b, int64_t m,
                          int64_t n, int64_t k, const char *a, int64_t lda, const char *b,
                          int64_t ldb, int beta, char *c, int64_t ldc);
/** dst += factor * src (NULL: 1) of the job's type. */
void dsc_cpu_conv_add(const struct dsc_cpu_conv *j, char *dst, int64_t dst_step, const char *src,
                      int64_t src_step, const char *factor, int64_t n);
/** One channel of F32 into its grid. */
void dsc_cpu_conv_spread(const struct dsc_cpu_conv *j, float *grid, const float *x);

#endif
