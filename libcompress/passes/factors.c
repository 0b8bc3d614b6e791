/*
 * Low rank by eigenvectors. With G = X^T X the error of the outputs is |X (W - W')|^2. Of it the
 * least at rank r has W' = W Q Q^T for the r leading eigenvectors Q of W^T G W: outputs keep their
 * principal directions, and G is not inverted. Where a layer has more outputs than inputs, the
 * smaller matrix is taken: with G = R^T R, W' = R^-1 P P^T R W for the r leading eigenvectors P of
 * R W W^T R^T. For that G gets something on its diagonal, which also keeps what no token showed.
 */
#include "passes/factors.h"

#include <math.h>
#include <string.h>

/* Part of the mean of G's diagonal. Raised tenfold where the Cholesky factor does not exist. */
#define DAMPING 1e-3

struct factoring {
    struct dsc_device *dev;
    int64_t k, n, r;
    double *w;     /* [k,n] */
    double *g;     /* [k,k] G, then R; NULL: no data */
    double *wide;  /* [k,n] G W, or R W */
    double *small; /* [s,s] whose eigenvectors are taken, s the smaller of k and n */
    double *q;     /* [r,s] */
    double *u, *v; /* [k,r], [r,n] */
};

static enum dsc_status product(struct factoring *f, double *c, const double *a, bool is_trans_a,
                               const double *b, bool is_trans_b, const int64_t size[3],
                               struct dsc_err *err)
{
    const struct dsc_product p = {.dtype = DSC_F64,
                                  .is_trans_a = is_trans_a,
                                  .is_trans_b = is_trans_b,
                                  .m = size[0],
                                  .n = size[1],
                                  .k = size[2]};

    return dsc_linalg_product(f->dev, &p, c, a, b, err);
}

static void fill_gram(struct factoring *f, const float *gram, double damping)
{
    double mean = 0;

    for (int64_t i = 0; i < f->k; i++)
        mean += (double)gram[i * f->k + i] / (double)f->k;
    for (int64_t i = 0; i < f->k; i++) {
        for (int64_t j = i; j < f->k; j++)
            f->g[i * f->k + j] = f->g[j * f->k + i] = (double)gram[i * f->k + j];
        f->g[i * f->k + i] += mean > 0 ? damping * mean : 1;
    }
}

/* G to its upper factor, zeros below. */
static enum dsc_status factor_gram(struct factoring *f, const float *gram, struct dsc_err *err)
{
    double damping = DAMPING;
    int64_t bad;

    DSC_TRY(dsc_linalg_cholesky(f->dev, f->g, f->k, &bad, err));
    while (bad >= 0 && damping < 1) {
        damping *= 10;
        fill_gram(f, gram, damping);
        DSC_TRY(dsc_linalg_cholesky(f->dev, f->g, f->k, &bad, err));
    }
    if (bad >= 0)
        return dsc_fail(err, DSC_E_NONFINITE, "the Gram matrix of the inputs has no factor");
    for (int64_t i = 0; i < f->k; i++)
        memset(f->g + i * f->k, 0, (size_t)i * sizeof *f->g);
    return DSC_OK;
}

/* ---- by outputs: u = W Q, v = Q^T ---- */

static enum dsc_status by_outputs(struct factoring *f, struct dsc_err *err)
{
    const double *wide = f->g ? f->wide : f->w;

    if (f->g)
        DSC_TRY(product(f, f->wide, f->g, false, f->w, false, (int64_t[]){f->k, f->n, f->k}, err));
    DSC_TRY(product(f, f->small, f->w, true, wide, false, (int64_t[]){f->n, f->n, f->k}, err));
    DSC_TRY(dsc_linalg_eigen(f->dev, f->small, f->n, f->r, f->q, err));
    memcpy(f->v, f->q, (size_t)(f->r * f->n) * sizeof *f->v);
    return product(f, f->u, f->w, false, f->q, true, (int64_t[]){f->k, f->r, f->n}, err);
}

/* ---- by inputs: u = R^-1 P, v = P^T R W ---- */

static void solve_upper(struct factoring *f)
{
    for (int64_t i = f->k - 1; i >= 0; i--) {
        double *row = f->u + i * f->r;

        for (int64_t j = i + 1; j < f->k; j++) {
            const double x = f->g[i * f->k + j], *below = f->u + j * f->r;

            for (int64_t c = 0; c < f->r; c++)
                row[c] -= x * below[c];
        }
        for (int64_t c = 0; c < f->r; c++)
            row[c] /= f->g[i * f->k + i];
    }
}

static enum dsc_status by_inputs(struct factoring *f, const float *gram, struct dsc_err *err)
{
    const double *wide = f->g ? f->wide : f->w;

    if (f->g) {
        DSC_TRY(factor_gram(f, gram, err));
        DSC_TRY(product(f, f->wide, f->g, false, f->w, false, (int64_t[]){f->k, f->n, f->k}, err));
    }
    DSC_TRY(product(f, f->small, wide, false, wide, true, (int64_t[]){f->k, f->k, f->n}, err));
    DSC_TRY(dsc_linalg_eigen(f->dev, f->small, f->k, f->r, f->q, err));
    DSC_TRY(product(f, f->v, f->q, false, wide, false, (int64_t[]){f->r, f->n, f->k}, err));
    for (int64_t i = 0; i < f->k * f->r; i++)
        f->u[i] = f->q[i % f->r * f->k + i / f->r];
    if (f->g)
        solve_upper(f);
    return DSC_OK;
}

/* ---- the tensors ---- */

/* Column c of u and row c of v to one norm. */
static void balance(struct factoring *f)
{
    for (int64_t c = 0; c < f->r; c++) {
        double u = 0, v = 0, s;

        for (int64_t i = 0; i < f->k; i++)
            u += f->u[i * f->r + c] * f->u[i * f->r + c];
        for (int64_t i = 0; i < f->n; i++)
            v += f->v[c * f->n + i] * f->v[c * f->n + i];
        if (!(u > 0) || !(v > 0))
            continue;
        s = sqrt(sqrt(v / u));
        for (int64_t i = 0; i < f->k; i++)
            f->u[i * f->r + c] *= s;
        for (int64_t i = 0; i < f->n; i++)
            f->v[c * f->n + i] /= s;
    }
}

static enum dsc_status store(struct dsc_tensor *t, enum dsc_dtype dtype, const double *x,
                             int64_t n_rows, int64_t n_cols, bool is_turned, struct dsc_err *err)
{
    const int64_t dim[2] = {is_turned ? n_cols : n_rows, is_turned ? n_rows : n_cols};

    DSC_TRY(dsc_tensor_new(t, dtype, 2, dim, err));
    for (int64_t i = 0; i < n_rows * n_cols; i++)
        dsc_tensor_set_f64(t, is_turned ? i % n_cols * n_rows + i / n_cols : i, x[i]);
    return DSC_OK;
}

static void load(double *x, const struct dsc_tensor *t, int64_t n_rows, int64_t n_cols,
                 bool is_turned)
{
    for (int64_t i = 0; i < n_rows * n_cols; i++)
        x[i] = dsc_tensor_get_f64(t, is_turned ? i % n_cols * n_rows + i / n_cols : i);
}

/* Energy of the rows of x^T, [k,n]: of outputs, or of the elements. */
static enum dsc_status energy(struct factoring *f, const double *x, const float *gram, double *sum,
                              struct dsc_err *err)
{
    float *rows;
    enum dsc_status st;

    *sum = 0;
    for (int64_t i = 0; !gram && i < f->k * f->n; i++)
        *sum += x[i] * x[i];
    if (!gram)
        return DSC_OK;
    rows = dsc_heap_alloc((size_t)f->n, (size_t)f->k * sizeof *rows, err);
    if (!rows)
        return DSC_E_MEMORY;
    for (int64_t i = 0; i < f->k * f->n; i++)
        rows[i % f->n * f->k + i / f->n] = (float)x[i];
    st = dsc_linalg_gram_energy(f->dev, rows, f->n, gram, f->k, sum, err);
    dsc_heap_free(rows);
    return st;
}

/* Of the tensors as they are stored. */
static enum dsc_status measure(struct factoring *f, bool is_turned, const float *gram,
                               struct dsc_factors *out, struct dsc_err *err)
{
    double all, lost;

    DSC_TRY(energy(f, f->w, gram, &all, err));
    load(f->u, &out->first, f->k, f->r, is_turned);
    load(f->v, &out->second, f->r, f->n, is_turned);
    DSC_TRY(product(f, f->wide, f->u, false, f->v, false, (int64_t[]){f->k, f->n, f->r}, err));
    for (int64_t i = 0; i < f->k * f->n; i++)
        f->w[i] -= f->wide[i];
    DSC_TRY(energy(f, f->w, gram, &lost, err));
    out->kept = all > 0 ? 1 - lost / all : 1;
    return DSC_OK;
}

static enum dsc_status factor(struct factoring *f, const struct dsc_tensor *w, bool is_turned,
                              const float *gram, struct dsc_factors *out, struct dsc_err *err)
{
    load(f->w, w, f->k, f->n, is_turned);
    if (gram)
        fill_gram(f, gram, f->n <= f->k ? 0 : DAMPING);
    DSC_TRY(f->n <= f->k ? by_outputs(f, err) : by_inputs(f, gram, err));
    balance(f);
    DSC_TRY(store(&out->first, w->dtype, f->u, f->k, f->r, is_turned, err));
    DSC_TRY(store(&out->second, w->dtype, f->v, f->r, f->n, is_turned, err));
    return measure(f, is_turned, gram, out, err);
}

enum dsc_status dsc_factor_matrix(struct dsc_device *dev, const struct dsc_tensor *w,
                                  bool is_turned, const float *gram, int64_t rank,
                                  struct dsc_factors *out, struct dsc_err *err)
{
    const int64_t k = w->dim[is_turned ? 1 : 0], n = w->dim[is_turned ? 0 : 1];
    const int64_t small = k < n ? k : n;
    struct factoring f = {.dev = dev, .k = k, .n = n, .r = rank};
    const struct {
        double **p;
        int64_t n_rows, n_cols;
    } parts[] = {
        {&f.w, k, n},        {&f.g, gram ? k : 0, k}, {&f.wide, k, n}, {&f.small, small, small},
        {&f.q, rank, small}, {&f.u, k, rank},         {&f.v, rank, n}};
    enum dsc_status st = DSC_OK;

    *out = (struct dsc_factors){0};
    for (size_t i = 0; st == DSC_OK && i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].n_rows == 0)
            continue;
        *parts[i].p =
            dsc_heap_alloc((size_t)parts[i].n_rows, (size_t)parts[i].n_cols * sizeof(double), err);
        st = *parts[i].p ? DSC_OK : DSC_E_MEMORY;
    }
    if (st == DSC_OK)
        st = factor(&f, w, is_turned, gram, out, err);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        dsc_heap_free(*parts[i].p);
    if (st != DSC_OK)
        dsc_factors_clear(out);
    return st;
}

void dsc_factors_clear(struct dsc_factors *f)
{
    dsc_tensor_clear(&f->first);
    dsc_tensor_clear(&f->second);
}
