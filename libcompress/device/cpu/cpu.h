/* The cpu's primitives, one function per row of primitives.def, and what they share. */
#ifndef DSC_CPU_H
#define DSC_CPU_H

#include "device/prim.h"

#define DSC_PRIM(name, params, args) enum dsc_status dsc_cpu_##name params;
#include "device/primitives.def"
#undef DSC_PRIM

/** Elements of one tile of an element-wise primitive: fixed, so that results have no thread count.
 */
enum { DSC_CPU_TILE = 16384 };

/** Number of tiles over n elements, and the range of one. */
static inline int64_t dsc_cpu_n_tiles(int64_t n)
{
    return (n + DSC_CPU_TILE - 1) / DSC_CPU_TILE;
}

static inline int64_t dsc_cpu_tile_end(int64_t tile, int64_t n)
{
    return (tile + 1) * DSC_CPU_TILE < n ? (tile + 1) * DSC_CPU_TILE : n;
}

/**
 * F16 and BF16 are computed in F32: widen copies a tensor to F32 host memory (a reference when it
 * is none of the two), narrow rounds the result back into dst.
 */
static inline bool dsc_cpu_is_half(const struct dsc_tensor *t)
{
    return t && (t->dtype == DSC_F16 || t->dtype == DSC_BF16);
}

/** Packed 4-bit types: the unused half of the last byte becomes 0, so that bytes are comparable. */
static inline void dsc_cpu_clear_padding(const struct dsc_tensor *t)
{
    if (dsc_dtype_bits(t->dtype) == 4 && dsc_tensor_n_elems(t) % 2)
        ((uint8_t *)t->data)[dsc_tensor_n_bytes(t) - 1] = 0;
}

enum { DSC_CPU_MAX_ARGS = 8 };

/** Tensors of one call: in[i] widened to wide[i]; those of `outs` (bit i) are narrowed back. */
struct dsc_cpu_wide {
    int n;
    const struct dsc_tensor *arg[DSC_CPU_MAX_ARGS];
    struct dsc_tensor wide[DSC_CPU_MAX_ARGS];
    uint32_t outs;
};

enum dsc_status dsc_cpu_widen(struct dsc_cpu_wide *w, struct dsc_err *err);
/** The widened argument i, or NULL where the argument was NULL. */
const struct dsc_tensor *dsc_cpu_wide(const struct dsc_cpu_wide *w, int i);
/** Round outputs back (if st is OK) and release; returns st. */
enum dsc_status dsc_cpu_narrow(struct dsc_cpu_wide *w, enum dsc_status st);

/** y = f(x) of n elements by the kernel or the expression that dsc_map takes; no parameters. */
void dsc_cpu_map_f32(const struct dsc_kernels *kernels, enum dsc_map_fn fn, float *y,
                     const float *x, int64_t n);
/** An epilogue on columns first .. first + n of one row; y: of type `out`, may be x when F32. */
void dsc_cpu_finish_row(const struct dsc_kernels *kernels, const struct dsc_epilogue *ep,
                        enum dsc_dtype out, void *y, const float *x, int64_t first, int64_t n);

/** A part of a product: m rows from `row`, n columns from `col` on; y is where it is computed. */
struct dsc_cpu_tile {
    int64_t row, col, m, n;
    float *y;
    int64_t y_step; /* floats from row to row */
};

/** y [m,n], one tile after another by `multiply`; columns of tiles begin at panels. */
struct dsc_cpu_product {
    int64_t m, n;
    void (*multiply)(const struct dsc_kernels *kernels, const void *ctx,
                     const struct dsc_cpu_tile *t);
    const void *ctx;
};

/** All tiles and the epilogue; prim: for the message. Errors: as dsc_cpu_no_dtype, y's type. */
enum dsc_status dsc_cpu_product(struct dsc_device *d, const char *prim,
                                const struct dsc_cpu_product *p, const struct dsc_epilogue *ep,
                                const struct dsc_tensor *y, struct dsc_err *err);

enum dsc_status dsc_cpu_no_dtype(const char *prim, const struct dsc_tensor *t, struct dsc_err *err);

#endif
