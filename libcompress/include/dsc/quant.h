/*
 * Quantization of a graph: what is quantized and why, simulated quantization put in, and the
 * two ways out of it: standard QDQ for a file, integer operators for running here.
 *
 *   plan -> insert (dsc.FakeQuantize on activations and weights; trainable: that is QAT)
 *        -> finish (int8 initializers, QuantizeLinear/DequantizeLinear: the artefact)
 *        -> dynamic (after finish, no activation sites: ranges are computed at run time)
 *        -> lower  (dsc.QGemm on packed integers: what eval, gate and bench run)
 *   read   <- an artefact's Q/DQ pairs become FakeQuantize again, weights float masters
 *
 * The spelling is docs/adr/0002.
 */
#ifndef DSC_QUANT_H
#define DSC_QUANT_H

#include "dsc/arena.h"
#include "dsc/census.h"
#include "dsc/device.h"
#include "dsc/graph.h"
#include "dsc/quantizer.h"

#include <stdbool.h>

/** What a target wants (`quantize --target`). */
struct dsc_quant_target {
    const char *name;
    enum dsc_dtype act_dtype;    /* U8 or I8; U16 or I16 by the scheme */
    enum dsc_dtype weight_dtype; /* of products: I8; I4 by the scheme. Tables are I8 */
    bool is_act_symmetric;
    bool has_int_embedding; /* lookup of int8 rows */
    bool has_int_bias;      /* bias as int32 with scale sx * sw */
    bool has_dynamic;       /* kernels for ranges that are computed at run time */
    bool has_nbits;         /* it reads com.microsoft MatMulNBits */
    bool prefers_nbits;     /* and is faster with it than with DequantizeLinear */
    bool has_dynamic_lstm;  /* it has com.microsoft DynamicQuantizeLSTM */
    /* what is asked for, no property of the target */
    bool is_dynamic;     /* ranges at run time: activations have no sites */
    bool is_weight_only; /* activations stay float; their sites say whose channels to observe */
};

/** generic, ort, openvino, tensorrt; NULL when unknown. */
const struct dsc_quant_target *dsc_quant_target_find(const char *name);

enum dsc_site_kind {
    DSC_SITE_ACTIVATION, /* per tensor, range from calibration */
    DSC_SITE_WEIGHT,     /* per output channel, symmetric */
    DSC_SITE_TABLE       /* embedding rows, per column, symmetric */
};

/** One tensor that will be quantized: every use of `value` by the named consumers. */
struct dsc_quant_site {
    enum dsc_site_kind kind;
    int value;            /* value number */
    enum dsc_dtype dtype; /* of the codes; the target's, until a caller changes a weight's */
    int bits;             /* of the codes, fewer than the type's; 0: as it has */
    const struct dsc_quantizer *quantizer; /* NULL: lsq */
    bool is_stochastic;                    /* rounding is drawn while training */
    int axis;                              /* of the scales; -1: one scale */
    int out_axis;                          /* of a weight's output channels, of a table's columns */
    bool is_conv;                          /* a weight's: filters, which have 8 bits */
    bool is_output;     /* an activation's: everything that reads it reads the codes */
    int64_t n_channels; /* of an activation that meets constant weights, all of one K; else 0 */
    float *channel_max; /* [n_channels] largest magnitudes, for dsc_quant_smooth; starts as 0 */
};

/** The fate of a node that could have been quantized, for the report. */
struct dsc_quant_fate {
    const struct dsc_node *node;
    bool is_quantized;
    const char *why; /* "" when it is */
};

static inline int dsc_site_bits(const struct dsc_quant_site *s)
{
    return s->bits ? s->bits : dsc_dtype_bits(s->dtype);
}

struct dsc_quant_plan {
    const struct dsc_quant_target *target;
    int n_sites, n_fates;
    struct dsc_quant_site *sites;
    struct dsc_quant_fate *fates;
};

/** Products of two activations (attention) are quantized where they are asked for by name. */
enum dsc_quant_choice { DSC_QUANT_LEFT_OUT, DSC_QUANT_CHOSEN, DSC_QUANT_ASKED_FOR };

typedef enum dsc_quant_choice dsc_quant_choose_fn(void *ctx, const char *node, const char *weight);

/**
 * Choose sites from the operator records' quantization rules. The graph should have been prepared
 * (dsc_quant_prepare). `choose` (NULL: all are chosen) decides by node name and weight name.
 *
 * Errors  USAGE  nothing would be quantized (the message says why for the first few nodes)
 */
enum dsc_status dsc_quant_make_plan(const struct dsc_graph *g,
                                    const struct dsc_quant_target *target,
                                    dsc_quant_choose_fn *choose, void *ctx, struct dsc_arena *arena,
                                    struct dsc_quant_plan *plan, struct dsc_err *err);

/** Where scales come from. */
struct dsc_quant_source {
    /** Range of an activation by value name; false: not observed (INCONSISTENT). */
    bool (*range)(void *ctx, const char *value, double *low, double *high);
    /** Scales of a symmetric weight, [n_scales]; NULL function: largest magnitude / limit. */
    enum dsc_status (*weight_scales)(void *ctx, const char *name, const struct dsc_quant_site *site,
                                     const struct dsc_tensor *w, double limit, double *scales,
                                     int64_t n_scales, struct dsc_err *err);
    void *ctx;
};

/**
 * Scales of a symmetric f32 weight, [n_scales] along the axis or 1 in all: what lets the largest
 * magnitude have the code `limit`; 1 for a slice of zeros. They are floats.
 */
void dsc_quant_full_scales(const struct dsc_tensor *w, int axis, double limit, double *scales,
                           int64_t n_scales);

/**
 * Ternary or binary codes (ops/quantizers.def) of an f32 matrix.
 *
 * Shapes  code I8 of w's shape, made here; scales [dim[axis]], or 1 with axis -1
 * Errors  MEMORY
 */
enum dsc_status dsc_quant_signs(const struct dsc_tensor *w, const struct dsc_quantizer *how,
                                int axis, struct dsc_tensor *code, float *scales,
                                struct dsc_err *err);

/** Rewrites before quantization: MatMul + Add with a constant bias becomes Gemm on [rows, K]. */
enum dsc_status dsc_quant_prepare(struct dsc_graph *g, struct dsc_err *err);

/** s of one channel, of its largest magnitudes in x and in the weights. */
double dsc_smooth_scale(double x_max, double w_max, double alpha);

/**
 * SmoothQuant (Xiao et al. 2022, arXiv:2211.10438) of one activation: x W = (x / s) (s W) with
 * s_k = max |x_k|^alpha / max |W_k|^(1 - alpha), the weights of all quantized products that read x
 * taken together, so that no channel decides x's range alone. x / s is a Mul in the graph. Needs
 * the site's channel_max. is_done false: others read a weight of it, too, and all is as it was.
 * Afterwards sort the graph and make the plan anew.
 *
 * Shapes  s [n_channels] the scales
 */
enum dsc_status dsc_quant_smooth(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                 const struct dsc_quant_site *site, double alpha, double *s,
                                 bool *is_done, struct dsc_err *err);

/**
 * Take what a product's outputs have too much on average from its bias: of the Gemm whose constant
 * weight is `weight`. is_done false: the weight has more than one reader, or no constant bias.
 *
 * Shapes  excess [N]
 */
enum dsc_status dsc_quant_shift_bias(struct dsc_graph *g, int weight, const double *excess,
                                     bool *is_done, struct dsc_err *err);

/** Put FakeQuantize on every site of the plan (made for this graph). */
enum dsc_status dsc_quant_insert(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                 const struct dsc_quant_source *source, struct dsc_err *err);

/**
 * FakeQuantize on weights -> int8 initializer + DequantizeLinear; on activations -> Q + DQ; biases
 * of Gemm between them -> int32 + DequantizeLinear where the target has it.
 */
enum dsc_status dsc_quant_finish(struct dsc_graph *g, const struct dsc_quant_target *target,
                                 struct dsc_err *err);

/**
 * After finish: float products with a dequantized int8 weight -> DynamicQuantizeLinear,
 * MatMulInteger, Cast, Mul, Add (spelling F of docs/adr/0002); LSTM with dequantized int8 weights
 * -> com.microsoft DynamicQuantizeLSTM where the target has it (else it stays as it is).
 */
enum dsc_status dsc_quant_dynamic(struct dsc_graph *g, const struct dsc_quant_target *target,
                                  struct dsc_err *err);

/**
 * The way back: Q/DQ pairs and DQ of constants -> FakeQuantize on float masters; int32 biases are
 * plain floats again. n_found counts them; has_int_bias (may be NULL): there were such biases.
 *
 * Errors  UNSUPPORTED  the graph is quantized dynamically: it has no scales to train
 */
enum dsc_status dsc_quant_read(struct dsc_graph *g, int *n_found, bool *has_int_bias,
                               struct dsc_err *err);

/**
 * Integer execution: Gemm (and MatMul) between DequantizeLinear nodes, and the dynamic spelling
 * -> dsc.QGemm with weights packed once; products of two dequantized activations ->
 * MatMulInteger. n_lowered (may be NULL) counts them; nodes that do not fit stay as they are,
 * which is correct but float.
 */
enum dsc_status dsc_quant_lower(struct dsc_graph *g, int *n_lowered, struct dsc_err *err);

/* ---- weight-only: weights of 4 or 8 bits, activations float ---- */

/** A smaller scale is 0 to a product in float. */
#define DSC_WEIGHT_MIN_SCALE 1e-30f

struct dsc_weight_layout {
    int bits;          /* 4 or 8 */
    bool is_symmetric; /* the zero point is half of the codes, the least code is not used */
    int64_t group;     /* columns that share a scale; 0: all of a row */
};

/**
 * One weight in codes. A row is what one output is a product of: [N,K] of a layer, a table's row.
 *
 * Shapes  code [n_rows, n_cols]; scale, zero [n_rows, n_groups]; zero NULL: symmetric
 * Units   weight = (code - zero) * scale, codes 0 .. 2^bits - 1
 */
struct dsc_weight_codes {
    struct dsc_weight_layout layout; /* its group is never 0 */
    int64_t n_rows, n_cols, n_groups;
    uint8_t *code, *zero;
    float *scale;
};

/** Everything 0. Memory: dsc_weight_codes_clear. Errors: MEMORY, OVERFLOW. */
enum dsc_status dsc_weight_codes_new(struct dsc_weight_codes *q,
                                     const struct dsc_weight_layout *layout, int64_t n_rows,
                                     int64_t n_cols, struct dsc_err *err);
void dsc_weight_codes_clear(struct dsc_weight_codes *q);
/** The nearest code of a value at a place, by the scale there; and the value of a code. */
uint8_t dsc_weight_code(const struct dsc_weight_codes *q, int64_t row, int64_t col, double v);
double dsc_weight_value(const struct dsc_weight_codes *q, int64_t row, int64_t col, uint8_t code);

/**
 * A constant matrix as rows of what an output is a product of: [N,K], whatever way it stands in
 * the graph. Tables are as they are.
 *
 * rows    f32 [n_rows, n_cols], not to be written: it may be the constant itself
 */
enum dsc_status dsc_weight_rows(const struct dsc_graph *g, const struct dsc_quant_site *site,
                                struct dsc_tensor *rows, struct dsc_err *err);
/** What the codes stand for, as the graph's weight was laid out. */
enum dsc_status dsc_weight_restore(const struct dsc_graph *g, const struct dsc_quant_site *site,
                                   const struct dsc_weight_codes *q, struct dsc_tensor *w,
                                   struct dsc_err *err);

/**
 * Write a weight site's codes into the graph: DequantizeLinear (with block_size where a group is
 * not a row), or MatMulNBits where the plan's target prefers it and a group is a power of 2 from 16
 * on. A table's rows: Gather of codes and of scales, Cast, Mul; with more than one group
 * DequantizeLinear, Gather. Sort and verify the graph when all are written.
 */
enum dsc_status dsc_quant_put_weight(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                     const struct dsc_quant_site *site,
                                     const struct dsc_weight_codes *q, struct dsc_err *err);

/**
 * Divide an activation by s, channel by channel, and multiply the columns of the weights of all
 * planned products that read it: the same function. `site`: an activation site. Sites whose
 * weights others read, too, are left (*is_done false). Sort and verify the graph and make the
 * plan anew when all are scaled.
 */
enum dsc_status dsc_quant_scale_channels(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                         const struct dsc_quant_site *site, const double *s,
                                         bool *is_done, struct dsc_err *err);

/** A planned product of the activation `x` has the constant `weight`. */
bool dsc_quant_reads(const struct dsc_graph *g, const struct dsc_quant_plan *plan, int weight,
                     int x);

/** Products with a transposed constant take the transposed constant itself. */
enum dsc_status dsc_quant_fold_transposes(struct dsc_graph *g, struct dsc_err *err);

/** The graph has products or lookups on codes: Q/DQ pairs, dequantized constants, or dynamic. */
bool dsc_quant_is_quantized(const struct dsc_graph *g);

/** Bytes of a file for rows of codes of 7 levels as words (docs/adr/0007), and for their codebook,
 * which a file has once. */
int64_t dsc_quant_word_bytes(int64_t n_rows, int64_t n_cols);
int64_t dsc_quant_codebook_bytes(void);
/** Weights are spelled as words of several codes (docs/adr/0007). */
bool dsc_quant_has_words(const struct dsc_graph *g);
/** dsc_graph_param_census in which words count as the codes that they stand for. */
enum dsc_status dsc_quant_param_census(const struct dsc_graph *g, struct dsc_param_census *c,
                                       struct dsc_err *err);

/** int32 biases to the floats they stand for, for runtimes that refuse DequantizeLinear there. */
enum dsc_status dsc_quant_float_bias(struct dsc_graph *g, int *n_changed, struct dsc_err *err);

/** Scale and zero point of a range for a code type: 0 is representable, scale > 0. */
void dsc_quant_params(enum dsc_dtype code, bool is_symmetric, double low, double high,
                      double *scale, int64_t *zero);

#endif
