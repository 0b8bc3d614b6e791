/*
 * Dense linear algebra on host memory, for what is computed once of a model's weights: products,
 * Gram matrices, the Cholesky factor, eigenvectors. Matrices are row-major and dense. The device
 * must be the cpu's (DEVICE otherwise); results do not depend on its number of threads.
 */
#ifndef DSC_LINALG_H
#define DSC_LINALG_H

#include "dsc/device.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Sizes of C [m,n] = op(A) op(B) + beta C; op(A) [m,k], op(B) [k,n]; all F32 or all F64. lda, ldb:
 * elements between rows of A and B as stored, 0: they are dense; C is dense.
 */
struct dsc_product {
    enum dsc_dtype dtype;
    bool is_trans_a, is_trans_b;
    int64_t m, n, k;
    int64_t lda, ldb;
    double beta;
};

enum dsc_status dsc_linalg_product(struct dsc_device *dev, const struct dsc_product *p, void *c,
                                   const void *a, const void *b, struct dsc_err *err);

/**
 * h += x^T x, on and above the diagonal; what is below it is not defined.
 *
 * Shapes  x [n,k], h [k,k]
 */
enum dsc_status dsc_linalg_gram(struct dsc_device *dev, float *h, const float *x, int64_t n,
                                int64_t k, struct dsc_err *err);

/**
 * trace(E H E^T), which for H = x^T x is the sum of the squares of x E^T; of h [k,k] the upper half
 * is read.
 *
 * Shapes  e [n,k]
 * Errors  MEMORY
 */
enum dsc_status dsc_linalg_gram_energy(struct dsc_device *dev, const float *e, int64_t n,
                                       const float *h, int64_t k, double *energy,
                                       struct dsc_err *err);

/**
 * The squared error of v [n] on the multiples of a scale from low to high (integers, low <= 0 <=
 * high), each error weighed by c [n]; NULL: all alike. For threads' tiles: it uses none itself.
 */
float dsc_linalg_code_error(const struct dsc_device *dev, const float *v, const float *c, int64_t n,
                            float scale, float low, float high);

/**
 * The upper factor R of a = R^T R in place of a's upper half; below it is not defined.
 *
 * Shapes  a [k,k]
 * bad     -1, or the row at which a is not positive definite (a is then half done, the status OK)
 */
enum dsc_status dsc_linalg_cholesky(struct dsc_device *dev, double *a, int64_t k, int64_t *bad,
                                    struct dsc_err *err);

/**
 * Eigenvectors of a symmetric matrix for its n largest eigenvalues, the largest first.
 *
 * Shapes  a [k,k], of which the upper half is read; it is used up. v [n,k], a vector of length 1 a
 *         row
 * Errors  NONFINITE  NaN or infinity in a
 *         MEMORY; INTERNAL, the iteration does not end
 */
enum dsc_status dsc_linalg_eigen(struct dsc_device *dev, double *a, int64_t k, int64_t n, double *v,
                                 struct dsc_err *err);

#endif
