/*
 * Eigenvectors of symmetric matrices by Jacobi's rotations in cyclic order, each of which makes one
 * pair of elements 0. The specification of eigen.c; slow for large matrices, and never wrong.
 */
#include "dsc/arena.h"
#include "kernels/blas/blas.h"

#include <math.h>
#include <string.h>

enum { SWEEPS_MAX = 60 };

static double off_diagonal(const double *a, int64_t k)
{
    double sum = 0;

    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i + 1; j < k; j++)
            sum += a[i * k + j] * a[i * k + j];
    return sum;
}

static void rotate_rows(double *x, double *y, int64_t n, double c, double s)
{
    for (int64_t i = 0; i < n; i++) {
        const double xi = x[i], yi = y[i];

        x[i] = c * xi - s * yi;
        y[i] = s * xi + c * yi;
    }
}

/* Rows and columns p and q of a; rows of v, which are the vectors. */
static void rotate(double *a, double *v, int64_t k, int64_t p, int64_t q)
{
    const double theta = (a[q * k + q] - a[p * k + p]) / (2 * a[p * k + q]);
    const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double c = 1 / sqrt(t * t + 1), s = t * c;

    rotate_rows(a + p * k, a + q * k, k, c, s);
    for (int64_t i = 0; i < k; i++) {
        double *row = a + i * k;
        const double x = row[p], y = row[q];

        row[p] = c * x - s * y;
        row[q] = s * x + c * y;
    }
    a[p * k + q] = a[q * k + p] = 0;
    rotate_rows(v + p * k, v + q * k, k, c, s);
}

static void diagonalize(double *a, double *v, int64_t k)
{
    double least = off_diagonal(a, k);

    for (int64_t i = 0; i < k; i++)
        least += a[i * k + i] * a[i * k + i];
    least *= 1e-30;
    for (int i = 0; i < SWEEPS_MAX && off_diagonal(a, k) > least; i++)
        for (int64_t p = 0; p < k; p++)
            for (int64_t q = p + 1; q < k; q++)
                if (a[p * k + q] != 0)
                    rotate(a, v, k, p, q);
}

/* Place of the largest value below those taken, of equals the last. */
static int64_t take_largest(const double *a, bool *is_taken, int64_t k)
{
    int64_t at = -1;

    for (int64_t i = 0; i < k; i++)
        if (!is_taken[i] && (at < 0 || a[i * k + i] >= a[at * k + at]))
            at = i;
    is_taken[at] = true;
    return at;
}

enum dsc_status dsc_eigen_ref(int64_t k, int64_t n, double *a, double *value, double *v,
                              struct dsc_err *err)
{
    double *all = dsc_heap_alloc((size_t)k, (size_t)k * sizeof *all, err);
    bool *is_taken = all ? dsc_heap_alloc((size_t)k, sizeof *is_taken, err) : NULL;

    if (!is_taken) {
        dsc_heap_free(all);
        return DSC_E_MEMORY;
    }
    for (int64_t i = 0; i < k; i++) {
        all[i * k + i] = 1;
        for (int64_t j = 0; j < i; j++)
            a[i * k + j] = a[j * k + i];
    }
    diagonalize(a, all, k);
    for (int64_t i = n - 1; i >= 0; i--) {
        const int64_t at = take_largest(a, is_taken, k);

        value[i] = a[at * k + at];
        memcpy(v + i * k, all + at * k, (size_t)k * sizeof *v);
    }
    dsc_heap_free(all);
    dsc_heap_free(is_taken);
    return DSC_OK;
}
