/*
 * Primitives: the whole-tensor operations that devices implement and operators call.
 *
 * Tensors are dense; where an operation walks another way (transpose, slice, broadcast) strides are
 * arguments, in elements. Outputs never overlap inputs unless a primitive says "in place".
 * "Adds" means the result is added to what the output holds (gradients); else it is overwritten.
 * Each row of primitives.def is declared as `dsc_<name>(dev, <params>, err)`.
 */
#ifndef DSC_PRIM_H
#define DSC_PRIM_H

#include "dsc/device.h"
#include "dsc/rng.h"
#include "dsc/tensor.h"

#include <math.h>

/** Functions of map and binary: maps.def, binaries.def; reductions: reductions.def. */
enum dsc_map_fn {
#define DSC_MAP(name, ...) DSC_MAP_##name,
#include "device/maps.def"
#undef DSC_MAP
    DSC_MAP_COUNT
};

enum dsc_binary_fn {
#define DSC_BINARY(name, ...) DSC_BINARY_##name,
#include "device/binaries.def"
#undef DSC_BINARY
    DSC_BINARY_COUNT
};

enum dsc_reduce_fn {
#define DSC_REDUCE(name) DSC_REDUCE_##name,
#include "device/reductions.def"
#undef DSC_REDUCE
    DSC_REDUCE_COUNT
};

/** Parameters of a map (alpha, beta of ONNX; meaning per function in maps.def). */
struct dsc_map_param {
    double alpha, beta;
};

/** How scattered values meet what is there (ONNX attribute `reduction`). */
enum dsc_scatter {
    DSC_SCATTER_NONE,
    DSC_SCATTER_ADD,
    DSC_SCATTER_MUL,
    DSC_SCATTER_MAX,
    DSC_SCATTER_MIN
};

/** A walk over `rank` axes: element offset and strides of one tensor. */
struct dsc_walk {
    int64_t offset;
    int64_t stride[DSC_MAX_RANK];
};

/**
 * C = alpha * op(A) op(B) + beta * C, for each of n_batch matrices. op(A) [M,K], op(B) [K,N],
 * C [M,N]. Matrices are dense; batch b of a tensor starts at element batch_x[b] (host arrays of
 * n_batch; NULL: b times the matrix). F32 and F64 (F16/BF16 inputs: sums in F32).
 */
struct dsc_gemm_spec {
    bool is_trans_a, is_trans_b;
    int64_t m, n, k;
    double alpha, beta;
    int64_t n_batch;
    const int64_t *batch_a, *batch_b, *batch_c;
};

/** Arguments of the optimizer primitives. c1, c2: bias corrections 1 - beta^t. */
struct dsc_adamw {
    double lr, beta1, beta2, eps, decay, c1, c2, grad_scale;
};

struct dsc_sgd {
    double lr, momentum, decay, grad_scale;
};

/**
 * Which scale an element of a quantized tensor has: element (o, i, k) of the view [outer, n, inner]
 * has scale[o * so + i / block * sn + k * si], and the zero point o * zero_gap behind that place.
 * All strides 0: one scale. Without zero points, no_zero is all of them.
 */
struct dsc_scale_map {
    int64_t outer, n, inner, block;
    int64_t so, sn, si;
    int64_t zero_gap;
    int32_t no_zero;
};

/** C [M,N] I32 = (A - za) (B - zb), for n_batch matrices; batch_a, batch_b as in dsc_gemm_spec. */
struct dsc_igemm_spec {
    int64_t m, n, k, n_batch;
    const int64_t *batch_a, *batch_b;
};

/**
 * Rows of n elements brought to mean 0 and variance 1 (over n, plus epsilon), then scaled and
 * shifted: element i of a row by gain[i], or row r by gain[r % n_channels] where that is not 0.
 */
struct dsc_norm_spec {
    int64_t n_rows, n, n_channels;
    double epsilon;
};

/** Of norm_bwd: those that are NULL are not wanted (dx, dgain, dbias) or zero (dy, dmean, dinv). */
struct dsc_norm_grads {
    const struct dsc_tensor *dx, *dgain, *dbias;
    const struct dsc_tensor *dy, *dmean, *dinv;
};

/** [outer, n, inner] view of an axis: softmax, cumsum, arg-reductions, top-k work along n. */
struct dsc_axis_view {
    int64_t outer, n, inner;
};

static inline struct dsc_axis_view dsc_axis_view(const struct dsc_tensor *t, int axis)
{
    struct dsc_axis_view v = {1, axis < t->rank ? t->dim[axis] : 1, 1};

    for (int i = 0; i < t->rank; i++) {
        if (i < axis)
            v.outer *= t->dim[i];
        else if (i > axis)
            v.inner *= t->dim[i];
    }
    return v;
}

/**
 * Windows of kernel positions over `rank` spatial axes: output position o meets input position
 * o * stride - before + k * dilation, for k in [0, kernel); what lies outside [0, in) is padding.
 * `after` alone counts in means that count the padding. Any out will do: nothing is derived.
 */
enum { DSC_MAX_SPATIAL = DSC_MAX_RANK - 2 };

struct dsc_window {
    int rank;
    int64_t in[DSC_MAX_SPATIAL], out[DSC_MAX_SPATIAL], kernel[DSC_MAX_SPATIAL];
    int64_t stride[DSC_MAX_SPATIAL], dilation[DSC_MAX_SPATIAL];
    int64_t before[DSC_MAX_SPATIAL], after[DSC_MAX_SPATIAL];
};

/** The same windows with neighbouring axes joined where neither moves anything (1 x 1 kernels). */
struct dsc_window dsc_window_join(const struct dsc_window *w);

/**
 * One channel spread out: padded, and one phase of the strides after the other, so that kernel
 * position t of window p lies at place(t) + at(p), for all p in a row with the same gaps between
 * the rows. at(p) = sum of p[i] * step[i].
 */
struct dsc_window_grid {
    int64_t pitch[DSC_MAX_SPATIAL], step[DSC_MAX_SPATIAL], phases[DSC_MAX_SPATIAL];
    int64_t plane, channel; /* elements of a phase, of all */
    int64_t n_wide;         /* from the first window to the last, gaps included */
};

/** False where it would be much larger than the channel itself (pads, far dilations). */
bool dsc_window_grid(struct dsc_window_grid *g, const struct dsc_window *w);
/** Channels are their own grid, without gaps, and worth being read where they are. */
bool dsc_window_in_place(const struct dsc_window *w, const struct dsc_window_grid *g);

/**
 * Convolution of x [N, G * c, in ..] with w [G * m, c, kernel ..] to y [N, G * m, out ..], for G
 * groups of channels.
 *
 * Memory  the patches under some windows lie in scratch, DSC_CONV_TASKS times DSC_CONV_TASK_ELEMS
 *         of F32 (F64 where the tensors are), whatever the batch, the image and the kernel. conv of
 *         F32 takes dsc_conv_grid_elems more: one image spread out, or as many as 4 MB hold
 */
enum {
    DSC_CONV_TASKS = 32,
    DSC_CONV_TASK_ELEMS = 64 * 576,
    DSC_CONV_MAX_TAPS = 512, /* kernel positions of what is spread out */
    DSC_CONV_SLACK = 64      /* elements that are read, and not used, behind a grid */
};

/** Elements of a grid that is worth its memory. */
#define DSC_CONV_MAX_GRID ((int64_t)1 << 32)

struct dsc_conv_spec {
    struct dsc_window win;
    int64_t n_images, n_groups, c, m;
    bool is_adding; /* of conv: y is added to */
};

/** 0 where patches are unfolded, or lie in x as they are. *n_at_once: images that are spread out.
 */
int64_t dsc_conv_grid_elems(const struct dsc_conv_spec *s, int64_t *n_at_once);

/** Windows of one channel to one number. Means divide by the positions of a window in the input,
 *  with counts_padding by those in the padded input. LP: (sum of |x|^p)^(1/p). */
enum dsc_pool_fn { DSC_POOL_MAX, DSC_POOL_MEAN, DSC_POOL_LP };

struct dsc_pool_spec {
    struct dsc_window win;
    enum dsc_pool_fn fn;
    int64_t n_channels; /* images times channels */
    double p;           /* of LP */
    bool counts_padding;
    bool is_column_major; /* places count the first spatial axis fastest */
};

/** Types of activations in codes. */
static inline bool dsc_is_wide_code(enum dsc_dtype t)
{
    return t == DSC_U16 || t == DSC_I16;
}

static inline bool dsc_is_activation_code(enum dsc_dtype t)
{
    return t == DSC_U8 || t == DSC_I8 || dsc_is_wide_code(t);
}

/** Sizes and the activation's scale and zero point of qgemm_packed. */
struct dsc_qgemm_spec {
    int64_t m, n, k;
    float x_scale;
    int32_t x_zero;
};

/**
 * What a fused primitive does with its rows of results [.., N] before they are stored, in this
 * order; each step has the bits of the primitive of its own. Codes where the output is no F32.
 */
struct dsc_epilogue {
    int act;                      /* DSC_MAP_x, one without parameters; -1: none */
    const struct dsc_tensor *mul; /* F32 [N] factors, or NULL */
    float scale;                  /* of codes */
    int32_t zero;
};

/**
 * Attention of n_heads heads on q [B,Lq,H,d], k [B,Lk,H,d], v [B,Lk,H,dv]:
 * y [B,Lq,H,dv] = softmax(scale q k^T + biases) v, softmax over Lk. A bias is read at
 * b * stride[0] + h * stride[1] + i * stride[2] + j * stride[3] for query i and key j.
 */
enum { DSC_ATTENTION_ROWS = 32, DSC_ATTENTION_TASKS = 64, DSC_ATTENTION_BIASES = 2 };

struct dsc_attention_spec {
    int64_t n_batch, n_heads, n_q, n_k, d, d_v;
    float scale;
    int n_biases;
    const struct dsc_tensor *bias[DSC_ATTENTION_BIASES];
    struct dsc_walk bias_walk[DSC_ATTENTION_BIASES];
};

/** Floats of scratch for one task: scores of some rows, and one head's keys and values packed. */
static inline int64_t dsc_attention_task_elems(const struct dsc_attention_spec *s)
{
    return DSC_ATTENTION_ROWS * s->n_k + (s->n_k + 15) / 16 * 16 * s->d +
           s->n_k * ((s->d_v + 15) / 16 * 16);
}

/** Sizes of sgemm_packed. */
struct dsc_sgemm_spec {
    int64_t m, n, k;
};

/** Sizes of code_gemm: codes of 4 or 8 bits, a scale for each `group` of k. */
struct dsc_code_gemm_spec {
    int64_t m, n, k, group;
    int bits;
};

/** A simulated quantization. With an offset the zero point is dsc_fake_quant_zero of it. */
struct dsc_fake_quant_spec {
    double zero, low, high; /* whole numbers: zero point and the codes' range */
    double inside;          /* of the scale's slope between the limits: 1, or 0 (a learned clip) */
    bool is_stochastic;     /* draws as those of dropout */
    struct dsc_rng_key key;
    int64_t n_per_example;
    const int64_t *ids;
};

/** Gradients that are added to; each may be NULL. */
struct dsc_fake_quant_grads {
    const struct dsc_tensor *x, *scale, *offset;
    double factor; /* of the scale's and the offset's */
};

/** The code of 0 where code 0 stands for `offset`: round(-offset / scale), in low .. high. */
static inline double dsc_fake_quant_zero(const struct dsc_fake_quant_spec *q, double offset,
                                         double scale)
{
    const double zero = rint(-offset / scale);

    return !(zero > q->low) ? q->low : zero < q->high ? zero : q->high;
}

/** The sign of x, 0 up to the threshold; a threshold of 0 leaves no zeros. */
static inline double dsc_sign_code(double x, double threshold)
{
    if (threshold > 0 && !(fabs(x) > threshold))
        return 0;
    return x < 0 ? -1 : 1;
}

/** The factor of signs, of the sum and number of the magnitudes that are kept. */
static inline double dsc_sign_scale(double sum, double n)
{
    const double scale = n > 0 ? sum / n : 0;

    return scale > 0x1p-40 ? scale : 0x1p-40;
}

/** Strides of a dense row-major shape, in elements. */
static inline void dsc_dense_strides(int rank, const int64_t *dim, int64_t *stride)
{
    int64_t step = 1;

    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= dim[i];
    }
}

/** A walk over `rank` axes that repeats t where it has a 1 or no axis (ONNX broadcasting). */
static inline struct dsc_walk dsc_walk_broadcast(const struct dsc_tensor *t, int rank)
{
    struct dsc_walk w = {0};
    int64_t step = 1;

    for (int i = t->rank - 1; i >= 0; i--) {
        w.stride[rank - t->rank + i] = t->dim[i] == 1 ? 0 : step;
        step *= t->dim[i];
    }
    return w;
}

struct dsc_prims {
#define DSC_PRIM(name, params, args) enum dsc_status(*name) params;
#include "device/primitives.def"
#undef DSC_PRIM
};

/* The callers' side: enter the device, run, leave. A NULL entry is UNSUPPORTED on that device. */
#define DSC_PRIM(name, params, args) enum dsc_status dsc_##name params;
#include "device/primitives.def"
#undef DSC_PRIM

#endif
