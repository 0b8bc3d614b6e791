/*
 * Fusions of the inference plan: each takes a sorted, verified graph and leaves one whose results
 * have the same bits (pass_fuse_attention.c and pass_pack_product.c say where not). They run after
 * the lowering to integers and only on what is executed here: nothing of them is ever written or
 * trained.
 */
#ifndef DSC_FUSE_H
#define DSC_FUSE_H

#include "passes/rewrite.h"

/** QuantizeLinear with one scale of constants, or dsc.ScaleQuantize. Value numbers. */
struct dsc_codes {
    struct dsc_node *node;
    int x, mul, scale, zero; /* mul: DSC_NO_VALUE without factors */
};

bool dsc_match_codes(const struct dsc_graph *g, struct dsc_node *n, struct dsc_codes *c);
/** f32, of known rank > 0 and known last axis: its size, else -1. */
int64_t dsc_known_columns(const struct dsc_graph *g, int value);
/** The value is a known f32 vector of n elements. */
bool dsc_is_row_of(const struct dsc_graph *g, int value, int64_t n);

/** Where a product of the plan has its bias, the epilogue behind it; -1: it is none. */
int dsc_planned_bias(const struct dsc_node *n);

/** Softmax(q k^T + biases) v -> dsc.Attention. */
enum dsc_status dsc_pass_fuse_attention(struct dsc_graph *g, struct dsc_err *err);
/** Filters behind DequantizeLinear -> floats. */
enum dsc_status dsc_pass_fold_filters(struct dsc_graph *g, struct dsc_err *err);
/** Mul by a constant row, then QuantizeLinear -> dsc.ScaleQuantize. */
enum dsc_status dsc_pass_fuse_quantize(struct dsc_graph *g, struct dsc_err *err);
/** Products with weights in codes that integers do not run -> dsc.CodeGemm. */
enum dsc_status dsc_pass_pack_codes(struct dsc_graph *g, struct dsc_err *err);
/** Activations and quantization behind dsc.QGemm, dsc.CodeGemm and dsc.PackedGemm -> their
 * epilogue. */
enum dsc_status dsc_pass_fuse_product(struct dsc_graph *g, struct dsc_err *err);
/** Add, LayerNormalization, quantization -> dsc.AddNorm. */
enum dsc_status dsc_pass_fuse_norm(struct dsc_graph *g, struct dsc_err *err);

#endif
