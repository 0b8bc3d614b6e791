/* Eigenvectors of symmetric matrices by the LAPACK that comes with OpenBLAS. */
#include "dsc/arena.h"
#include "kernels/blas/blas.h"

#include <cblas.h>
#include <limits.h>
#include <math.h>

/* No header of OpenBLAS declares LAPACK's own names; lengths of texts come last. */
extern void dsyevr_(const char *jobz, const char *range, const char *uplo, const blasint *n,
                    double *a, const blasint *lda, const double *vl, const double *vu,
                    const blasint *il, const blasint *iu, const double *abstol, blasint *m,
                    double *w, double *z, const blasint *ldz, blasint *isuppz, double *work,
                    const blasint *lwork, blasint *iwork, const blasint *liwork, blasint *info,
                    size_t jobz_bytes, size_t range_bytes, size_t uplo_bytes);

struct room {
    double *work;
    blasint *iwork, *support;
    blasint n_work, n_iwork;
};

/* The upper half by rows is the lower half by columns; LAPACK numbers from 1, the least first. */
static blasint call(blasint k, blasint n, double *a, double *value, double *v, struct room *r)
{
    const blasint first = k - n + 1;
    const double none = 0;
    blasint n_found = 0, info = 0;

    dsyevr_("V", "I", "L", &k, a, &k, &none, &none, &first, &k, &none, &n_found, value, v, &k,
            r->support, r->work, &r->n_work, r->iwork, &r->n_iwork, &info, 1, 1, 1);
    return info == 0 && n_found != n ? 1 : info;
}

enum dsc_status dsc_eigen(int64_t k, int64_t n, double *a, double *value, double *v,
                          struct dsc_err *err)
{
    double n_work = 0;
    blasint n_iwork = 0, info = -1;
    struct room r = {.work = &n_work, .iwork = &n_iwork, .n_work = -1, .n_iwork = -1};

    if (k > INT_MAX / 32)
        return dsc_eigen_ref(k, n, a, value, v, err);
    r.support = dsc_heap_alloc((size_t)k, 2 * sizeof *r.support, err);
    if (!r.support)
        return DSC_E_MEMORY;
    if (call((blasint)k, (blasint)n, a, value, v, &r) >= 0) { /* it has said how much it needs */
        r.n_work = (blasint)n_work;
        r.n_iwork = n_iwork;
    }
    r.work = dsc_heap_alloc((size_t)r.n_work + 1, sizeof *r.work, err);
    r.iwork = r.work ? dsc_heap_alloc((size_t)r.n_iwork + 1, sizeof *r.iwork, err) : NULL;
    if (r.iwork)
        info = call((blasint)k, (blasint)n, a, value, v, &r);
    dsc_heap_free(r.support);
    dsc_heap_free(r.work);
    if (!r.iwork)
        return DSC_E_MEMORY;
    dsc_heap_free(r.iwork);
    return info == 0 ? DSC_OK
                     : dsc_fail(err, DSC_E_INTERNAL, "LAPACK's dsyevr gave up with %d", (int)info);
}
