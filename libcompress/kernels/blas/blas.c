/* Matrix products by OpenBLAS, each on the calling thread. */
#include "kernels/blas/blas.h"

#include <cblas.h>
#include <limits.h>

void dsc_blas_init(void)
{
    openblas_set_num_threads(1);
}

/* blasint has 32 bits. */
static bool fits(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc)
{
    return m <= INT_MAX && n <= INT_MAX && k <= INT_MAX && lda <= INT_MAX && ldb <= INT_MAX &&
           ldc <= INT_MAX;
}

#define GEMM(type, name, cblas_name)                                                           \
    void name(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, type alpha,   \
              const type *a, int64_t lda, const type *b, int64_t ldb, type beta, type *c,      \
              int64_t ldc)                                                                     \
    {                                                                                          \
        if (m <= 0 || n <= 0)                                                                  \
            return;                                                                            \
        if (k <= 0 || !fits(m, n, k, lda, ldb, ldc)) {                                         \
            name##_ref(is_trans_a, is_trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);  \
            return;                                                                            \
        }                                                                                      \
        cblas_name(CblasRowMajor, is_trans_a ? CblasTrans : CblasNoTrans,                      \
                   is_trans_b ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, \
                   alpha, a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);            \
    }

GEMM(float, dsc_sgemm, cblas_sgemm)
GEMM(double, dsc_dgemm, cblas_dgemm)
