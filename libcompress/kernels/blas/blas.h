/* Matrix products by the BLAS, on the calling thread alone. Row-major, leading dimensions given. */
#ifndef DSC_BLAS_H
#define DSC_BLAS_H

#include "dsc/status.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * C = alpha op(A) op(B) + beta C; op(A) [m,k], op(B) [k,n], C [m,n]; ldX = elements between rows
 * as stored. beta = 0 never reads C. Bits depend on the BLAS and its core type, not on our CPU
 * level. A size over 2^31 - 1, or a build without BLAS, runs on the plain C `_ref`.
 */
void dsc_sgemm(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, float alpha,
               const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
               int64_t ldc);
void dsc_dgemm(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, double alpha,
               const double *a, int64_t lda, const double *b, int64_t ldb, double beta, double *c,
               int64_t ldc);
void dsc_sgemm_ref(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                   const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                   int64_t ldc);
void dsc_dgemm_ref(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, double alpha,
                   const double *a, int64_t lda, const double *b, int64_t ldb, double beta,
                   double *c, int64_t ldc);
/**
 * Eigenvectors of a symmetric matrix of finite elements, of the n largest eigenvalues, the least of
 * them first: a [k,k], of which the upper half is read, is used up; value [k], of which n are set;
 * v [n,k] a vector of length 1 a row. `_ref` is what a build without LAPACK runs.
 * Errors  MEMORY; INTERNAL, the iteration does not end
 */
enum dsc_status dsc_eigen(int64_t k, int64_t n, double *a, double *value, double *v,
                          struct dsc_err *err);
enum dsc_status dsc_eigen_ref(int64_t k, int64_t n, double *a, double *value, double *v,
                              struct dsc_err *err);
/** Keep the BLAS from starting threads of its own: ours do the tiling. */
void dsc_blas_init(void);

#endif
