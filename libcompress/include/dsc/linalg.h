/*
 * Dense linear algebra on host memory, for what is computed once of a model's weights: products,
 * Gram matrices, the Cholesky factor. Matrices are row-major and dense. The device must be the
 * cpu's (DEVICE otherwise); results do not depend on its number of threads.
 */
#ifndef DSC_LINALG_H
#define DSC_LINALG_H

#include "dsc/device.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stdint.h>

/** Sizes of C [m,n] = op(A) op(B) + beta C; op(A) [m,k], op(B) [k,n]; all F32 or all F64. */
struct dsc_product {
    enum dsc_dtype dtype;
    bool is_trans_a, is_trans_b;
    int64_t m, n, k;
    double beta;
};

enum dsc_status dsc_linalg_product(struct dsc_device *dev, const struct dsc_product *p, void *c,
                                   const void *a, const void *b, struct dsc_err *err);

/**
 * h += x^T x, on and above the diagonal; what is below it is not defined.
 *
 * Shapes  x [n,k], h [k,k]
 * Errors  MEMORY
 */
enum dsc_status dsc_linalg_gram(struct dsc_device *dev, float *h, const float *x, int64_t n,
                                int64_t k, struct dsc_err *err);

/**
 * The upper factor R of a = R^T R in place of a's upper half; below it is not defined.
 *
 * Shapes  a [k,k]
 * bad     -1, or the row at which a is not positive definite (a is then half done, the status OK)
 * Errors  MEMORY
 */
enum dsc_status dsc_linalg_cholesky(struct dsc_device *dev, double *a, int64_t k, int64_t *bad,
                                    struct dsc_err *err);

#endif
