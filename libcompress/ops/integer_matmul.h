/* MatMulInteger and QLinearMatMul: products of 8-bit codes. */
#ifndef DSC_INTEGER_MATMUL_H
#define DSC_INTEGER_MATMUL_H

#include "ops/matmul.h"

/** c = (a - za) (b - zb) in 32 bits; za, zb may be NULL. */
enum dsc_status dsc_integer_matmul(struct dsc_exec *x, const struct dsc_tensor *c,
                                   const struct dsc_tensor *a, const struct dsc_tensor *b,
                                   const struct dsc_tensor *za, const struct dsc_tensor *zb,
                                   struct dsc_err *err);
/** How many values a per-row or per-column input has: one, n, or n of each batch. */
enum dsc_status dsc_integer_matmul_check(const char *what, const struct dsc_tensor *t, int64_t n,
                                         int64_t n_batch, struct dsc_err *err);

#endif
