/* The only file that knows the BLAS. */
#include "kernels/blas/blas.h"

#include <cblas.h>

void dsc_blas_init(void)
{
    openblas_set_num_threads(1);
}

void dsc_sgemm(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, float alpha,
               const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
               int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, is_trans_a ? CblasTrans : CblasNoTrans,
                is_trans_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha,
                a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

void dsc_dgemm(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, double alpha,
               const double *a, int64_t lda, const double *b, int64_t ldb, double beta, double *c,
               int64_t ldc)
{
    cblas_dgemm(CblasRowMajor, is_trans_a ? CblasTrans : CblasNoTrans,
                is_trans_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha,
                a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}
