/*
 * Graph rewrites that are not quantization (dsc/quant.h): each takes a sorted, verified graph and
 * leaves one; running it twice changes nothing more.
 */
#ifndef DSC_PASS_H
#define DSC_PASS_H

#include "dsc/graph.h"
#include "dsc/status.h"

/** Dropout nodes become plain uses of their input (they pass it on outside training). */
enum dsc_status dsc_pass_strip_dropout(struct dsc_graph *g, struct dsc_err *err);

/**
 * What eval, gate and bench run: dropout stripped, quantized products on integers.
 * n_int (may be NULL): products that run on integers.
 */
enum dsc_status dsc_pass_inference(struct dsc_graph *g, int *n_int, struct dsc_err *err);

#endif
