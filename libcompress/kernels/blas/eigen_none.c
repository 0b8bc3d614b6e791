/* A build without LAPACK: the plain C reference. */
#include "kernels/blas/blas.h"

enum dsc_status dsc_eigen(int64_t k, int64_t n, double *a, double *value, double *v,
                          struct dsc_err *err)
{
    return dsc_eigen_ref(k, n, a, value, v, err);
}
