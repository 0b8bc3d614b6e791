/* Products, Gram matrices and Cholesky factors by the device's gemm, in blocks. */
#include "dsc/linalg.h"

#include "device/prim.h"

#include <math.h>
#include <string.h>

enum { GRAM_BLOCK = 512, CHOLESKY_BLOCK = 128, SOLVE_COLUMNS = 256 };

static enum dsc_status wrap(struct dsc_tensor *t, enum dsc_dtype dtype, int64_t rows, int64_t cols,
                            const void *data, struct dsc_err *err)
{
    return dsc_tensor_wrap(t, dtype, 2, (int64_t[]){rows, cols}, data, NULL, err);
}

enum dsc_status dsc_linalg_product(struct dsc_device *dev, const struct dsc_product *p, void *c,
                                   const void *a, const void *b, struct dsc_err *err)
{
    const struct dsc_gemm_spec s = {.is_trans_a = p->is_trans_a,
                                    .is_trans_b = p->is_trans_b,
                                    .m = p->m,
                                    .n = p->n,
                                    .k = p->k,
                                    .alpha = 1,
                                    .beta = p->beta,
                                    .n_batch = 1};
    struct dsc_tensor tc = {0}, ta = {0}, tb = {0};
    enum dsc_status st;

    if (!dev->is_host)
        return dsc_fail(err, DSC_E_DEVICE, "linear algebra on %s, not on the cpu", dev->name);
    DSC_TRY_OUT(st, wrap(&tc, p->dtype, p->m, p->n, c, err));
    DSC_TRY_OUT(st, wrap(&ta, p->dtype, p->m, p->k, a, err));
    DSC_TRY_OUT(st, wrap(&tb, p->dtype, p->k, p->n, b, err));
    st = dsc_gemm(dev, &s, &tc, &ta, &tb, err);
out:
    dsc_tensor_clear(&tc);
    dsc_tensor_clear(&ta);
    dsc_tensor_clear(&tb);
    return st;
}

/* Columns first .. first + n of x as a matrix of their own. */
static void copy_columns(float *y, const float *x, int64_t n_rows, int64_t k, int64_t first,
                         int64_t n)
{
    for (int64_t i = 0; i < n_rows; i++)
        memcpy(y + i * n, x + i * k + first, (size_t)n * sizeof *y);
}

static void add_block(float *h, const float *part, int64_t k, int64_t row, int64_t n_rows,
                      int64_t col, int64_t n_cols)
{
    for (int64_t i = 0; i < n_rows; i++)
        for (int64_t j = 0; j < n_cols; j++)
            h[(row + i) * k + col + j] += part[i * n_cols + j];
}

enum dsc_status dsc_linalg_gram(struct dsc_device *dev, float *h, const float *x, int64_t n,
                                int64_t k, struct dsc_err *err)
{
    const int64_t block = k < GRAM_BLOCK ? k : GRAM_BLOCK;
    const size_t n_side = (size_t)(n * block), n_part = (size_t)(block * block);
    float *left = dsc_heap_alloc(2 * n_side + n_part, sizeof *left, err), *right, *part;
    enum dsc_status st = DSC_OK;

    if (!left)
        return DSC_E_MEMORY;
    right = left + n_side;
    part = right + n_side;
    for (int64_t i = 0; i < k && st == DSC_OK; i += block) {
        const int64_t n_i = k - i < block ? k - i : block;

        copy_columns(left, x, n, k, i, n_i);
        for (int64_t j = i; j < k && st == DSC_OK; j += block) {
            const int64_t n_j = k - j < block ? k - j : block;
            const struct dsc_product p = {
                .dtype = DSC_F32, .is_trans_a = true, .m = n_i, .n = n_j, .k = n};

            copy_columns(right, x, n, k, j, n_j);
            st = dsc_linalg_product(dev, &p, part, left, right, err);
            if (st == DSC_OK)
                add_block(h, part, k, i, n_i, j, n_j);
        }
    }
    dsc_heap_free(left);
    return st;
}

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

struct solve_job {
    double *a;
    int64_t k, first, n;
};

/* Rows of the block right of the diagonal: R11^T R12 = A12, some columns. */
static void solve_tile(void *ctx, int64_t tile)
{
    const struct solve_job *s = ctx;
    const int64_t begin = s->first + s->n + tile * SOLVE_COLUMNS;
    const int64_t end = begin + SOLVE_COLUMNS < s->k ? begin + SOLVE_COLUMNS : s->k;

    for (int64_t j = s->first; j < s->first + s->n; j++) {
        double *row = s->a + j * s->k;

        for (int64_t i = s->first; i < j; i++) {
            const double f = s->a[i * s->k + j], *above = s->a + i * s->k;

            for (int64_t c = begin; c < end; c++)
                row[c] -= f * above[c];
        }
        for (int64_t c = begin; c < end; c++)
            row[c] /= row[j];
    }
}

/* Rows first .. first + n, from column `first` on, lose what the rows above explain. */
static enum dsc_status update_rows(struct dsc_device *dev, double *a, int64_t k, int64_t first,
                                   int64_t n, double *room, struct dsc_err *err)
{
    const int64_t n_cols = k - first;
    double *left = room, *right = left + first * n, *part = right + first * n_cols;
    const struct dsc_product p = {
        .dtype = DSC_F64, .is_trans_a = true, .m = n, .n = n_cols, .k = first};

    for (int64_t i = 0; i < first; i++) {
        memcpy(left + i * n, a + i * k + first, (size_t)n * sizeof *a);
        memcpy(right + i * n_cols, a + i * k + first, (size_t)n_cols * sizeof *a);
    }
    DSC_TRY(dsc_linalg_product(dev, &p, part, left, right, err));
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = i; c < n_cols; c++)
            a[(first + i) * k + first + c] -= part[i * n_cols + c];
    return DSC_OK;
}

enum dsc_status dsc_linalg_cholesky(struct dsc_device *dev, double *a, int64_t k, int64_t *bad,
                                    struct dsc_err *err)
{
    const int64_t half = k / 2 + CHOLESKY_BLOCK;
    double *room =
        dsc_heap_alloc((size_t)(half * half + 2 * k * CHOLESKY_BLOCK), sizeof *room, err);
    enum dsc_status st = DSC_OK;

    *bad = -1;
    if (!room)
        return DSC_E_MEMORY;
    for (int64_t first = 0; first < k && *bad < 0; first += CHOLESKY_BLOCK) {
        const int64_t n = k - first < CHOLESKY_BLOCK ? k - first : CHOLESKY_BLOCK;
        struct solve_job s = {a, k, first, n};
        int64_t n_done;

        if (first > 0)
            DSC_TRY_OUT(st, update_rows(dev, a, k, first, n, room, err));
        n_done = factor_block(a, k, first, n);
        if (n_done < n)
            *bad = first + n_done;
        else
            dsc_parallel_for(dev->pool, (k - first - n + SOLVE_COLUMNS - 1) / SOLVE_COLUMNS,
                             solve_tile, &s);
    }
out:
    dsc_heap_free(room);
    return st;
}
