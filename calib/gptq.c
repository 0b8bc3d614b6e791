/*
 * GPTQ. The paper takes H's inverse, its Cholesky factor, and hands each error on to the columns
 * that are left. The same numbers come from the factor R of H itself, H = R^T R: the error is
 * |R e|^2 for e = w - rounded, whose row j is R_jj e_j + sum over k > j of R_jk e_k, so that going
 * from the last column to the first each column can be rounded around
 * w_j + sum (R_jk / R_jj) e_k, with all that stands right of it decided (nearest plane, Babai
 * 1986). No inverse is taken, and the sums over columns of earlier blocks are one product.
 * The order of the paper's act-order is that of the columns here: the largest H_kk is last.
 */
#include "dsc/linalg.h"
#include "dsc/pool.h"
#include "weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns whose sums over all that stand right of them are one product; and of those, the ones that
 * are rounded one after the other. */
enum { BLOCK = 128, PART = 32, ROWS_PER_TILE = 32 };

struct gptq {
    struct dsc_device *dev;
    struct dsc_weight_codes *q;
    const float *w;
    int64_t n, k;
    int64_t *order; /* [k] column of w that stands at place j */
    double *r;      /* [k,k] H, then its factor, in order */
    double *e;      /* [k,n] errors by place, then row of w */
    double *target; /* [BLOCK,n] what the columns on the left are to be rounded around, less w */
    double *energy; /* [n] |R e|^2 of each row of w */
    const float *h;
    int64_t first, end; /* columns that are rounded now */
    int64_t block;      /* where their block begins */
};

struct by_weight {
    double diag;
    int64_t column;
};

static int ascending(const void *a, const void *b)
{
    const struct by_weight *x = a, *y = b;

    if (x->diag != y->diag)
        return x->diag < y->diag ? -1 : 1;
    return x->column < y->column ? 1 : -1; /* of equals the first one goes first */
}

static enum dsc_status sort_columns(struct gptq *s, struct dsc_err *err)
{
    struct by_weight *d = dsc_heap_alloc((size_t)s->k, sizeof *d, err);

    if (!d)
        return DSC_E_MEMORY;
    for (int64_t i = 0; i < s->k; i++)
        d[i] = (struct by_weight){(double)s->h[i * s->k + i], i};
    qsort(d, (size_t)s->k, sizeof *d, ascending);
    for (int64_t i = 0; i < s->k; i++)
        s->order[i] = d[i].column;
    dsc_heap_free(d);
    return DSC_OK;
}

static void fill_row(void *ctx, int64_t i)
{
    const struct gptq *s = ctx;
    const int64_t a = s->order[i];

    for (int64_t j = i; j < s->k; j++) {
        const int64_t b = s->order[j];

        s->r[i * s->k + j] = (double)(a < b ? s->h[a * s->k + b] : s->h[b * s->k + a]);
    }
}

/* H in order with `added` on its diagonal; a column that nothing reached is alone. */
static void fill_matrix(struct gptq *s, double added)
{
    dsc_parallel_for(s->dev->pool, s->k, fill_row, s);
    for (int64_t i = 0; i < s->k; i++)
        s->r[i * s->k + i] += added;
}

static enum dsc_status check_gram(const float *h, int64_t k, double *mean, int64_t *n_dead,
                                  struct dsc_err *err)
{
    *mean = 0;
    *n_dead = 0;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = i; j < k; j++)
            if (!isfinite(h[i * k + j]))
                return dsc_fail(err, DSC_E_NONFINITE, "its input holds NaN or infinity");
        *mean += (double)h[i * k + i] / (double)k;
        *n_dead += h[i * k + i] == 0;
    }
    if (!(*mean > 0))
        return dsc_fail(err, DSC_E_INCONSISTENT, "its input is 0 everywhere");
    return DSC_OK;
}

static enum dsc_status factor(struct gptq *s, double mean, double damping,
                              struct dsc_gptq_report *report, struct dsc_err *err)
{
    int64_t bad;

    for (;;) {
        report->damping = damping < 1 ? damping : 1;
        fill_matrix(s, report->damping * mean);
        DSC_TRY(dsc_linalg_cholesky(s->dev, s->r, s->k, &bad, err));
        if (bad < 0)
            return DSC_OK;
        if (!(damping > 0) || damping >= 1)
            break;
        damping *= 10;
    }
    return dsc_fail(err, DSC_E_INCONSISTENT,
                    "the Gram matrix of its input is not positive definite, with %g of its "
                    "diagonal added",
                    report->damping);
}

/* The columns first .. end, for some rows of w. */
static void round_tile(void *ctx, int64_t tile)
{
    const struct gptq *s = ctx;
    const int64_t begin = tile * ROWS_PER_TILE;
    const int64_t end = begin + ROWS_PER_TILE < s->n ? begin + ROWS_PER_TILE : s->n;

    for (int64_t j = s->end - 1; j >= s->first; j--) {
        double *t = s->target + (j - s->block) * s->n, *e = s->e + j * s->n;
        const double diag = s->r[j * s->k + j];
        const int64_t column = s->order[j];

        for (int64_t i = j + 1; i < s->end; i++) {
            const double f = s->r[j * s->k + i], *right = s->e + i * s->n;

            for (int64_t row = begin; row < end; row++)
                t[row] += f * right[row];
        }
        for (int64_t row = begin; row < end; row++) {
            const double w = (double)s->w[row * s->k + column];
            /* what is 0 stays 0: pruned weights take no part in making up for others */
            const double target = w == 0 ? 0 : w + t[row] / diag;
            const uint8_t code = dsc_weight_code(s->q, row, column, target);

            s->q->code[row * s->k + column] = code;
            e[row] = w - dsc_weight_value(s->q, row, column, code);
            t[row] += diag * e[row];
            s->energy[row] += t[row] * t[row];
        }
    }
}

/* target of the columns first .. end, += R e over the columns `from` .. `to` right of them. */
static enum dsc_status add_errors(struct gptq *s, int64_t from, int64_t to, struct dsc_err *err)
{
    const struct dsc_product p = {.dtype = DSC_F64,
                                  .m = s->end - s->first,
                                  .n = s->n,
                                  .k = to - from,
                                  .lda = s->k,
                                  .beta = 1};

    if (p.k == 0)
        return DSC_OK;
    return dsc_linalg_product(s->dev, &p, s->target + (s->first - s->block) * s->n,
                              s->r + s->first * s->k + from, s->e + from * s->n, err);
}

/* The columns from s->block on, before `after`. */
static enum dsc_status round_block(struct gptq *s, int64_t after, struct dsc_err *err)
{
    s->first = s->block;
    s->end = after;
    memset(s->target, 0, (size_t)((after - s->block) * s->n) * sizeof *s->target);
    DSC_TRY(add_errors(s, after, s->k, err));
    for (int64_t end = after; end > s->block; end = s->first) {
        s->end = end;
        s->first = end - PART > s->block ? end - PART : s->block;
        DSC_TRY(add_errors(s, end, after, err));
        dsc_parallel_for(s->dev->pool, (s->n + ROWS_PER_TILE - 1) / ROWS_PER_TILE, round_tile, s);
    }
    return DSC_OK;
}

/* trace(E H E^T): without what was added to H to factor it. */
static double energy_of(const struct gptq *s, double added)
{
    double sum = 0, squares = 0;

    for (int64_t i = 0; i < s->n; i++)
        sum += s->energy[i];
    for (int64_t i = 0; i < s->k * s->n; i++)
        squares += s->e[i] * s->e[i];
    return fmax(sum - added * squares, 0);
}

static enum dsc_status open_state(struct gptq *s, struct dsc_err *err)
{
    s->order = dsc_heap_alloc((size_t)s->k, sizeof *s->order, err);
    s->r = s->order ? dsc_heap_alloc((size_t)s->k, (size_t)s->k * sizeof *s->r, err) : NULL;
    s->e = s->r ? dsc_heap_alloc((size_t)(s->k * s->n), sizeof *s->e, err) : NULL;
    s->target = s->e ? dsc_heap_alloc((size_t)(BLOCK * s->n), sizeof *s->target, err) : NULL;
    s->energy = s->target ? dsc_heap_alloc((size_t)s->n, sizeof *s->energy, err) : NULL;
    return s->energy ? DSC_OK : DSC_E_MEMORY;
}

enum dsc_status dsc_gptq(struct dsc_device *dev, struct dsc_weight_codes *q, const float *w,
                         const float *h, double damping, struct dsc_gptq_report *report,
                         struct dsc_err *err)
{
    struct gptq s = {.dev = dev, .q = q, .w = w, .h = h, .n = q->n_rows, .k = q->n_cols};
    double mean;
    enum dsc_status st;

    DSC_TRY(check_gram(h, s.k, &mean, &report->n_dead, err));
    DSC_TRY_OUT(st, open_state(&s, err));
    DSC_TRY_OUT(st, sort_columns(&s, err));
    DSC_TRY_OUT(st, factor(&s, mean, damping, report, err));
    for (int64_t end = s.k; end > 0; end = s.block) {
        s.block = (end - 1) / BLOCK * BLOCK;
        DSC_TRY_OUT(st, round_block(&s, end, err));
    }
    report->error = energy_of(&s, report->damping * mean);
out:
    dsc_heap_free(s.order);
    dsc_heap_free(s.r);
    dsc_heap_free(s.e);
    dsc_heap_free(s.target);
    dsc_heap_free(s.energy);
    return st;
}
