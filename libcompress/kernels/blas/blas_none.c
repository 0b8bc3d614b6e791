/*
 * A build without BLAS (-Dblas=disabled): every product runs on the plain C reference.
 */
#include "kernels/blas/blas.h"

void dsc_blas_init(void)
{
}

void dsc_sgemm(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, float alpha,
               const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
               int64_t ldc)
{
    dsc_sgemm_ref(is_trans_a, is_trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void dsc_dgemm(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, double alpha,
               const double *a, int64_t lda, const double *b, int64_t ldb, double beta, double *c,
               int64_t ldc)
{
    dsc_dgemm_ref(is_trans_a, is_trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
