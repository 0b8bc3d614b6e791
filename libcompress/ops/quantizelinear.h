/* QuantizeLinear and DequantizeLinear: what their files share. */
#ifndef DSC_QUANTIZELINEAR_H
#define DSC_QUANTIZELINEAR_H

#include "device/prim.h"
#include "dsc/op.h"

/** The scale's shape against x: one, one per index of `axis`, or one per block along it. */
enum dsc_status dsc_scale_check(const struct dsc_node *n, const struct dsc_type *x,
                                const struct dsc_type *scale, const struct dsc_type *zero,
                                struct dsc_err *err);
/** Both have passed the check. */
struct dsc_scale_map dsc_scale_map(const struct dsc_node *n, const struct dsc_tensor *x,
                                   const struct dsc_tensor *scale);
/** 21 for blocks and for codes that are not of 8 bits, 13 for one scale per index. */
int64_t dsc_quantize_min_opset(const struct dsc_graph *g, const struct dsc_node *n);

#endif
