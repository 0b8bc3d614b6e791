/* What GatherElements, GatherND, ScatterElements and ScatterND share: one row number per index. */
#ifndef DSC_SCATTER_H
#define DSC_SCATTER_H

#include "device/prim.h"
#include "dsc/op.h"

/**
 * Inputs 0 (data) and 1 (indices) of an Elements operator: one rank, and indices inside the data
 * along every axis but `axis`. What is unknown passes.
 *
 * Errors  RANGE the axis; TYPE, SHAPE the indices
 */
enum dsc_status dsc_elements_check(const struct dsc_infer *q, int *axis, struct dsc_err *err);

/** flat: a temporary I64 tensor, the place in data of shape dim that each index means. */
enum dsc_status dsc_flat_elements(struct dsc_exec *x, const struct dsc_node *n, int rank,
                                  const int64_t *dim, const struct dsc_tensor *idx,
                                  struct dsc_tensor **flat, struct dsc_err *err);
/** flat: the row of data that each tuple means; v: data as rows of the view. */
enum dsc_status dsc_flat_tuples(struct dsc_exec *x, int rank, const int64_t *dim, int n_batch,
                                const struct dsc_tensor *idx, struct dsc_axis_view *v,
                                struct dsc_tensor **flat, struct dsc_err *err);

/** Attribute `reduction`. Errors: UNSUPPORTED an unknown word. */
enum dsc_status dsc_scatter_how(const struct dsc_node *n, enum dsc_scatter *how,
                                struct dsc_err *err);
enum dsc_status dsc_scatter_same_dtype(const struct dsc_infer *q, struct dsc_err *err);
int64_t dsc_scatter_min_opset(const struct dsc_graph *g, const struct dsc_node *n);

/**
 * Gradients of data (din[0]) and updates (din[2]), from inputs 0 and 2 and the output.
 * max and min: equals share. mul: the product of the others, exact where elements are zero.
 */
enum dsc_status dsc_scatter_backward(struct dsc_exec *x, const struct dsc_node *n,
                                     struct dsc_axis_view v, const struct dsc_tensor *flat,
                                     const struct dsc_saved *saved, const struct dsc_tensor *dy,
                                     struct dsc_tensor **din, struct dsc_err *err);

#endif
