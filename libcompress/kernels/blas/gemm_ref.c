/*
 * Matrix products in plain C: sums along k, in order. The specification of blas.c, and
 * what runs without a BLAS or beyond its 32-bit sizes.
 */
#include "kernels/blas/blas.h"

#define GEMM(name, type)                                                                     \
    void name(bool is_trans_a, bool is_trans_b, int64_t m, int64_t n, int64_t k, type alpha, \
              const type *a, int64_t lda, const type *b, int64_t ldb, type beta, type *c,    \
              int64_t ldc)                                                                   \
    {                                                                                        \
        int64_t a_row = is_trans_a ? 1 : lda, a_col = is_trans_a ? lda : 1;                  \
        int64_t b_row = is_trans_b ? 1 : ldb, b_col = is_trans_b ? ldb : 1;                  \
                                                                                             \
        for (int64_t i = 0; i < m; i++) {                                                    \
            for (int64_t j = 0; j < n; j++)                                                  \
                c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];                      \
            for (int64_t p = 0; p < k; p++) {                                                \
                type ap = alpha * a[i * a_row + p * a_col];                                  \
                                                                                             \
                for (int64_t j = 0; j < n; j++)                                              \
                    c[i * ldc + j] += ap * b[p * b_row + j * b_col];                         \
            }                                                                                \
        }                                                                                    \
    }

GEMM(dsc_sgemm_ref, float)
GEMM(dsc_dgemm_ref, double)
