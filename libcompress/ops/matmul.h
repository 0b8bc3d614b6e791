/*
 * Shapes of a batched matrix product with broadcasting, NumPy's matmul: shared by MatMul and its
 * integer relatives.
 */
#ifndef DSC_MATMUL_H
#define DSC_MATMUL_H

#include "device/prim.h"
#include "dsc/op.h"

/** [.., M, K] x [.., K, N]; 1-D operands are a row and a column whose axis of 1 is dropped. */
enum dsc_status dsc_matmul_type(struct dsc_type *y, const struct dsc_type *a,
                                const struct dsc_type *b, struct dsc_err *err);
int64_t dsc_matmul_flops(const struct dsc_infer *q);

/** Batches of one product: sizes, and the first element of each batch's matrix. */
struct dsc_matmul {
    int64_t m, n, k, n_batch;
    int64_t n_batch_a, n_batch_b;               /* matrices that a and b really have */
    int rank;                                   /* of the batch axes */
    int64_t dim[DSC_MAX_RANK];                  /* batch axes of the result */
    int64_t sa[DSC_MAX_RANK], sb[DSC_MAX_RANK]; /* their strides in matrices; 0: broadcast */
    int64_t *at_a, *at_b; /* [n_batch] elements, on the heap; NULL: one after the other */
};

/**
 * Both types known and fit. `folds`: a product with one matrix b is one product of all rows of a.
 * Errors  MEMORY
 */
enum dsc_status dsc_matmul_init(struct dsc_matmul *p, const struct dsc_type *a,
                                const struct dsc_type *b, bool folds, struct dsc_err *err);
void dsc_matmul_clear(struct dsc_matmul *p);

#endif
