/* What the passes of quantization share. */
#ifndef DSC_QUANT_SPELLING_H
#define DSC_QUANT_SPELLING_H

#include "dsc/quant.h"
#include "passes/rewrite.h"

#include <stdbool.h>

/** A constant int8 matrix behind DequantizeLinear, symmetric, scaled per tensor or per column. */
struct dsc_int_weight {
    const struct dsc_tensor *code, *scale;
    int code_id, scale_id;
    bool is_trans; /* [N,K] instead of [K,N] */
};

/** Weight input 1 of a Gemm (without transA, alpha, beta) or MatMul; false when it is none. */
bool dsc_match_int_weight(const struct dsc_graph *g, const struct dsc_node *product,
                          struct dsc_int_weight *w);
/** A constant bias, f32 or int32 behind DequantizeLinear. */
struct dsc_int_bias {
    const struct dsc_tensor *value; /* [N]; NULL: none */
    const struct dsc_tensor *scale; /* of int32 */
    int id;                         /* of an f32 bias */
};

bool dsc_match_int_bias(const struct dsc_graph *g, int value, int64_t n, struct dsc_int_bias *b);
/** The floats that it stands for, as a value of the graph. */
enum dsc_status dsc_add_int_bias(struct dsc_graph *g, const char *node,
                                 const struct dsc_int_bias *b, int *id, struct dsc_err *err);
/** What is quantized for a product: input 0, before the Reshape to rows where there is one. */
int dsc_activation_of(const struct dsc_graph *g, const struct dsc_node *product);
/** The plan quantizes the node. */
bool dsc_is_planned(const struct dsc_quant_plan *plan, const struct dsc_node *n);
/** All elements are 0. */
bool dsc_is_zero(const struct dsc_tensor *t);
/** `packed` and `col_sum` of dsc.QGemm as new initializers, for code [K,N] or [N,K]. */
enum dsc_status dsc_add_packed(struct dsc_graph *g, const char *name, const struct dsc_tensor *code,
                               bool is_trans, int *packed, int *col_sum, struct dsc_err *err);
/** (code - zero) * scale, rounded once: an int32 code may not fit a float. Errors: SHAPE, MEMORY.
 */
enum dsc_status dsc_dequantize_constant(const struct dsc_tensor *code, const struct dsc_tensor *s,
                                        const struct dsc_tensor *z, int64_t axis,
                                        struct dsc_tensor *out, struct dsc_err *err);
/** LSTM on dequantized int8 weights -> com.microsoft DynamicQuantizeLSTM. */
enum dsc_status dsc_quant_dynamic_lstm(struct dsc_graph *g, struct dsc_err *err);
/** The dynamic spelling and products of two activations, of dsc_quant_lower. */
enum dsc_status dsc_lower_dynamic(struct dsc_graph *g, int *n_lowered, struct dsc_err *err);
/** Convolutions without groups -> dsc.QConv. */
enum dsc_status dsc_lower_convs(struct dsc_graph *g, int *n_lowered, struct dsc_err *err);
enum dsc_status dsc_lower_products(struct dsc_graph *g, int *n_lowered, struct dsc_err *err);

#endif
