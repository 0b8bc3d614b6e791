/*
 * Products, Gram matrices and Cholesky factors in tiles of fixed sizes, each one call of the BLAS
 * on one thread; eigenvectors in one call of LAPACK.
 */
#include "dsc/linalg.h"

#include "kernels/blas/blas.h"
#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

enum { SLICE = 256, GRAM_BLOCK = 256, CHOLESKY_BLOCK = 128, SOLVE_ROWS = 32 };

static enum dsc_status check_device(const struct dsc_device *dev, struct dsc_err *err)
{
    if (dev->is_host)
        return DSC_OK;
    return dsc_fail(err, DSC_E_DEVICE, "linear algebra on %s, not on the cpu", dev->name);
}

static int64_t n_tiles_of(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

/* ---- products ---- */

struct product_job {
    const struct dsc_product *p;
    int64_t lda, ldb, ldc;
    char *c;
    const char *a, *b;
    bool by_rows; /* slices of the longer side of C */
};

static void product_tile(void *ctx, int64_t tile)
{
    const struct product_job *j = ctx;
    const struct dsc_product *p = j->p;
    const int64_t first = tile * SLICE, row = j->by_rows ? first : 0, col = j->by_rows ? 0 : first;
    const int64_t m = j->by_rows ? at_most(p->m - row, SLICE) : p->m;
    const int64_t n = j->by_rows ? p->n : at_most(p->n - col, SLICE);
    const int64_t size = (int64_t)dsc_dtype_bytes(p->dtype, 1);
    const char *a = j->a + size * (p->is_trans_a ? row : row * j->lda);
    const char *b = j->b + size * (p->is_trans_b ? col * j->ldb : col);
    char *c = j->c + size * (row * j->ldc + col);

    if (p->dtype == DSC_F32)
        dsc_sgemm(p->is_trans_a, p->is_trans_b, m, n, p->k, 1, (const float *)a, j->lda,
                  (const float *)b, j->ldb, (float)p->beta, (float *)c, j->ldc);
    else
        dsc_dgemm(p->is_trans_a, p->is_trans_b, m, n, p->k, 1, (const double *)a, j->lda,
                  (const double *)b, j->ldb, p->beta, (double *)c, j->ldc);
}

enum dsc_status dsc_linalg_product(struct dsc_device *dev, const struct dsc_product *p, void *c,
                                   const void *a, const void *b, struct dsc_err *err)
{
    struct product_job j = {.p = p,
                            .lda = p->is_trans_a ? p->m : p->k,
                            .ldb = p->is_trans_b ? p->k : p->n,
                            .ldc = p->n,
                            .c = c,
                            .a = a,
                            .b = b,
                            .by_rows = p->m > p->n};

    DSC_TRY(check_device(dev, err));
    if (p->m == 0 || p->n == 0)
        return DSC_OK;
    j.lda = p->lda ? p->lda : j.lda;
    j.ldb = p->ldb ? p->ldb : j.ldb;
    dsc_parallel_for(dev->pool, n_tiles_of(j.by_rows ? p->m : p->n, SLICE), product_tile, &j);
    return DSC_OK;
}

/* ---- Gram matrices ---- */

struct gram_job {
    float *h;
    const float *x;
    int64_t n, k;
};

/* Blocks on and above the diagonal, row by row: the one of a number. */
static void block_of(int64_t tile, int64_t n_blocks, int64_t *i, int64_t *j)
{
    for (*i = 0; tile >= n_blocks - *i; (*i)++)
        tile -= n_blocks - *i;
    *j = *i + tile;
}

static int64_t n_block_tiles(int64_t k)
{
    const int64_t n = n_tiles_of(k, GRAM_BLOCK);

    return n * (n + 1) / 2;
}

static void gram_tile(void *ctx, int64_t tile)
{
    const struct gram_job *g = ctx;
    int64_t i, j;

    block_of(tile, n_tiles_of(g->k, GRAM_BLOCK), &i, &j);
    i *= GRAM_BLOCK;
    j *= GRAM_BLOCK;
    dsc_sgemm(true, false, at_most(g->k - i, GRAM_BLOCK), at_most(g->k - j, GRAM_BLOCK), g->n, 1,
              g->x + i, g->k, g->x + j, g->k, 1, g->h + i * g->k + j, g->k);
}

enum dsc_status dsc_linalg_gram(struct dsc_device *dev, float *h, const float *x, int64_t n,
                                int64_t k, struct dsc_err *err)
{
    struct gram_job g = {.h = h, .x = x, .n = n, .k = k};

    DSC_TRY(check_device(dev, err));
    if (n > 0)
        dsc_parallel_for(dev->pool, n_block_tiles(k), gram_tile, &g);
    return DSC_OK;
}

struct energy_job {
    const float *h, *x;
    int64_t n, k;
    float *part;    /* [tiles,GRAM_BLOCK,GRAM_BLOCK] */
    double *energy; /* [tiles] */
};

/* What a block and its mirror image add. */
static void energy_tile(void *ctx, int64_t tile)
{
    const struct energy_job *g = ctx;
    float *part = g->part + tile * GRAM_BLOCK * GRAM_BLOCK;
    int64_t i, j;
    double sum = 0;

    block_of(tile, n_tiles_of(g->k, GRAM_BLOCK), &i, &j);
    i *= GRAM_BLOCK;
    j *= GRAM_BLOCK;
    const int64_t n_i = at_most(g->k - i, GRAM_BLOCK), n_j = at_most(g->k - j, GRAM_BLOCK);

    dsc_sgemm(true, false, n_i, n_j, g->n, 1, g->x + i, g->k, g->x + j, g->k, 0, part, n_j);
    for (int64_t r = 0; r < n_i; r++)
        for (int64_t c = i == j ? r : 0; c < n_j; c++)
            sum += (i == j && r == c ? 1 : 2) * (double)part[r * n_j + c] *
                   (double)g->h[(i + r) * g->k + j + c];
    g->energy[tile] = sum;
}

enum dsc_status dsc_linalg_gram_energy(struct dsc_device *dev, const float *e, int64_t n,
                                       const float *h, int64_t k, double *energy,
                                       struct dsc_err *err)
{
    const int64_t n_tiles = n_block_tiles(k);
    struct energy_job g = {.h = h, .x = e, .n = n, .k = k};

    DSC_TRY(check_device(dev, err));
    g.part = dsc_heap_alloc((size_t)n_tiles, sizeof *g.part * GRAM_BLOCK * GRAM_BLOCK, err);
    g.energy = g.part ? dsc_heap_alloc((size_t)n_tiles, sizeof *g.energy, err) : NULL;
    if (g.energy)
        dsc_parallel_for(dev->pool, n_tiles, energy_tile, &g);
    *energy = 0;
    for (int64_t t = 0; g.energy && t < n_tiles; t++)
        *energy += g.energy[t];
    dsc_heap_free(g.part);
    if (!g.energy)
        return DSC_E_MEMORY;
    dsc_heap_free(g.energy);
    return DSC_OK;
}

float dsc_linalg_code_error(const struct dsc_device *dev, const float *v, const float *c, int64_t n,
                            float scale, float low, float high)
{
    const struct dsc_code_grid grid = {scale, 1 / scale, low, high};

    return dev->kernels->code_error_f32(v, c, &grid, n);
}

/* ---- the Cholesky factor ---- */

/* The factor of one block on the diagonal; the row at which it ends early, or n. */
static int64_t factor_block(double *a, int64_t k, int64_t first, int64_t n)
{
    for (int64_t j = first; j < first + n; j++) {
        for (int64_t i = first; i < j; i++)
            for (int64_t c = j; c < first + n; c++)
                a[j * k + c] -= a[i * k + j] * a[i * k + c];
        if (!(a[j * k + j] > 0) || !isfinite(a[j * k + j]))
            return j - first;
        const double root = sqrt(a[j * k + j]);

        for (int64_t c = j; c < first + n; c++)
            a[j * k + c] /= root;
    }
    return n;
}

/* Of rows first .. first + n, columns from `from` on in slices. */
struct rows_job {
    double *a;
    int64_t k, first, n, from;
};

/* Rows [row, row + m) lose what the rows [above, row) explain, in one slice of columns. */
static void subtract(const struct rows_job *s, int64_t row, int64_t m, int64_t above, int64_t col,
                     int64_t n)
{
    const double *top = s->a + above * s->k;

    if (row > above)
        dsc_dgemm(true, false, m, n, row - above, -1, top + row, s->k, top + col, s->k, 1,
                  s->a + row * s->k + col, s->k);
}

/* Rows of the block, from the diagonal on, lose what the rows above explain. */
static void update_tile(void *ctx, int64_t tile)
{
    const struct rows_job *s = ctx;
    const int64_t col = s->from + tile * SLICE;

    subtract(s, s->first, s->n, 0, col, at_most(s->k - col, SLICE));
}

/* Rows of the block right of the diagonal: R11^T R12 = A12, some columns. */
static void solve_tile(void *ctx, int64_t tile)
{
    const struct rows_job *s = ctx;
    const int64_t col = s->from + tile * SLICE, n = at_most(s->k - col, SLICE);

    for (int64_t top = s->first; top < s->first + s->n; top += SOLVE_ROWS) {
        const int64_t end = top + at_most(s->first + s->n - top, SOLVE_ROWS);

        subtract(s, top, end - top, s->first, col, n);
        for (int64_t j = top; j < end; j++) {
            double *row = s->a + j * s->k;

            for (int64_t i = top; i < j; i++) {
                const double f = s->a[i * s->k + j], *above = s->a + i * s->k;

                for (int64_t c = col; c < col + n; c++)
                    row[c] -= f * above[c];
            }
            for (int64_t c = col; c < col + n; c++)
                row[c] /= row[j];
        }
    }
}

enum dsc_status dsc_linalg_cholesky(struct dsc_device *dev, double *a, int64_t k, int64_t *bad,
                                    struct dsc_err *err)
{
    *bad = -1;
    DSC_TRY(check_device(dev, err));
    for (int64_t first = 0; first < k && *bad < 0; first += CHOLESKY_BLOCK) {
        const int64_t n = at_most(k - first, CHOLESKY_BLOCK);
        struct rows_job s = {a, k, first, n, first};
        int64_t n_done;

        dsc_parallel_for(dev->pool, n_tiles_of(k - first, SLICE), update_tile, &s);
        n_done = factor_block(a, k, first, n);
        if (n_done < n)
            *bad = first + n_done;
        s.from = first + n;
        if (*bad < 0)
            dsc_parallel_for(dev->pool, n_tiles_of(k - s.from, SLICE), solve_tile, &s);
    }
    return DSC_OK;
}

/* ---- eigenvectors ---- */

static void swap_rows(double *x, double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double t = x[i];

        x[i] = y[i];
        y[i] = t;
    }
}

enum dsc_status dsc_linalg_eigen(struct dsc_device *dev, double *a, int64_t k, int64_t n, double *v,
                                 struct dsc_err *err)
{
    double *value;
    enum dsc_status st;

    DSC_TRY(check_device(dev, err));
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i; j < k; j++)
            if (!isfinite(a[i * k + j]))
                return dsc_fail(err, DSC_E_NONFINITE, "a matrix without eigenvalues");
    if (n == 0)
        return DSC_OK;
    value = dsc_heap_alloc((size_t)k, sizeof *value, err);
    if (!value)
        return DSC_E_MEMORY;
    st = dsc_eigen(k, n, a, value, v, err);
    dsc_heap_free(value);
    for (int64_t i = 0; st == DSC_OK && i < n / 2; i++)
        swap_rows(v + i * k, v + (n - 1 - i) * k, k);
    return st;
}
