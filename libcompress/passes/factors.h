/* A matrix as the product of two narrower ones. */
#ifndef DSC_FACTORS_H
#define DSC_FACTORS_H

#include "dsc/linalg.h"
#include "dsc/tensor.h"

#include <stdbool.h>

struct dsc_factors {
    struct dsc_tensor first, second;
    double kept; /* 1 - squared error / squared norm of the outputs (no gram: of the elements) */
};

/**
 * W [K,N] of a product x W as first [K,r] second [r,N], those of least squared error of all outputs
 * of tokens whose Gram matrix is `gram`, or of W itself. Component for component both factors have
 * the same norm.
 *
 * is_turned  w is [N,K]; then first is [r,K] and second [N,r]
 * gram       [K,K] its upper half, or NULL
 * Memory     first and second of w's type are the caller's
 * Errors     NONFINITE; MEMORY
 * Source     Eckart and Young 1936; with data the least error of X W, as Wang et al. 2024,
 *            arXiv:2403.07378 (SVD-LLM: whitening by a Cholesky factor)
 */
enum dsc_status dsc_factor_matrix(struct dsc_device *dev, const struct dsc_tensor *w,
                                  bool is_turned, const float *gram, int64_t rank,
                                  struct dsc_factors *f, struct dsc_err *err);
void dsc_factors_clear(struct dsc_factors *f);

#endif
