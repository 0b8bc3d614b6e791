/* What Conv and ConvTranspose share: two directions of one operation. */
#ifndef DSC_OPS_CONV_H
#define DSC_OPS_CONV_H

#include "ops/elementwise.h"
#include "ops/window.h"

enum { DSC_CONV_X, DSC_CONV_W, DSC_CONV_BIAS };

/** Inference of both: input x [N, C, ..], w of x's rank, bias one value per output channel. */
enum dsc_status dsc_conv_infer(struct dsc_infer *q, bool is_transposed, struct dsc_err *err);
/** Multiply-adds of one element of the narrow side's image times its number, twice. */
int64_t dsc_conv_flops(const struct dsc_infer *q, bool is_transposed);

/** Sizes of a convolution of `wide` to `narrow` (ConvTranspose: of the output to the input). */
enum dsc_status dsc_conv_spec_of(struct dsc_conv_spec *s, const struct dsc_node *n,
                                 const int64_t *x_dim, const int64_t *w_dim, int rank,
                                 bool is_transposed, struct dsc_err *err);

/** What the primitives work in; s: for conv, NULL for the adjoints alone. */
enum dsc_status dsc_conv_scratch(struct dsc_exec *x, const struct dsc_conv_spec *s,
                                 enum dsc_dtype dtype, struct dsc_tensor **t, struct dsc_err *err);
/** dbias += dy summed over all but the channels. */
enum dsc_status dsc_conv_bias_back(struct dsc_exec *x, const struct dsc_tensor *dbias,
                                   const struct dsc_tensor *dy, struct dsc_err *err);

#endif
