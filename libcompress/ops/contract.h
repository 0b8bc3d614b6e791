/*
 * Sums of products over named axes: what Einsum and its gradient are made of.
 */
#ifndef DSC_CONTRACT_H
#define DSC_CONTRACT_H

#include "device/prim.h"
#include "dsc/op.h"

enum { CONTRACT_MAX_LABELS = 64, CONTRACT_MAX_TERMS = 16 };

/** A tensor seen through labels: each label once; strides in elements. `t` is not owned. */
struct dsc_term {
    const struct dsc_tensor *t;
    int n;
    int label[DSC_MAX_RANK];
    int64_t stride[DSC_MAX_RANK];
};

/**
 * y += the sum of the product of all terms over every label that is not y's; floats.
 *
 * Shapes  size[label] for every label; y's labels, each once, with y's strides; a label of y that
 *         no term has repeats the sum along it
 * Errors  UNSUPPORTED  an intermediate of more than DSC_MAX_RANK axes; MEMORY
 */
enum dsc_status dsc_contract(struct dsc_exec *x, const int64_t *size, const struct dsc_term *y,
                             int n_terms, const struct dsc_term *terms, struct dsc_err *err);

#endif
