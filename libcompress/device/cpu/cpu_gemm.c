/*
 * gemm: batches of matrix products, cut into tiles by their shape and computed by single-threaded
 * BLAS calls. A tile's sums run over all of K inside one call, so bytes do not depend on threads.
 */
#include "device/cpu/cpu.h"
#include "kernels/blas/blas.h"

enum { GEMM_MIN_SIDE = 96, GEMM_MAX_SLICES = 8 };

struct gemm_job {
    const struct dsc_gemm_spec *s;
    enum dsc_dtype dtype;
    char *c;
    const char *a, *b;
    int64_t n_slices, slice; /* slices of the longer side of C */
    bool by_rows;
    int64_t batch_per_tile;
};

static int64_t batch_at(const int64_t *list, int64_t i, int64_t n_matrix)
{
    return list ? list[i] : i * n_matrix;
}

static void multiply(const struct gemm_job *j, int64_t batch, int64_t row, int64_t n_rows,
                     int64_t col, int64_t n_cols)
{
    const struct dsc_gemm_spec *s = j->s;
    const int64_t lda = s->is_trans_a ? s->m : s->k, ldb = s->is_trans_b ? s->k : s->n;
    const int64_t size = (int64_t)dsc_dtype_bytes(j->dtype, 1);
    const char *a = j->a + size * (batch_at(s->batch_a, batch, s->m * s->k) +
                                   (s->is_trans_a ? row : row * lda));
    const char *b = j->b + size * (batch_at(s->batch_b, batch, s->k * s->n) +
                                   (s->is_trans_b ? col * ldb : col));
    char *c = j->c + size * (batch_at(s->batch_c, batch, s->m * s->n) + row * s->n + col);

    if (j->dtype == DSC_F32)
        dsc_sgemm(s->is_trans_a, s->is_trans_b, n_rows, n_cols, s->k, (float)s->alpha,
                  (const float *)a, lda, (const float *)b, ldb, (float)s->beta, (float *)c, s->n);
    else
        dsc_dgemm(s->is_trans_a, s->is_trans_b, n_rows, n_cols, s->k, s->alpha, (const double *)a,
                  lda, (const double *)b, ldb, s->beta, (double *)c, s->n);
}

static void gemm_tile(void *ctx, int64_t tile)
{
    const struct gemm_job *j = ctx;
    const struct dsc_gemm_spec *s = j->s;

    if (j->n_slices == 1) {
        const int64_t end = (tile + 1) * j->batch_per_tile;

        for (int64_t b = tile * j->batch_per_tile; b < end && b < s->n_batch; b++)
            multiply(j, b, 0, s->m, 0, s->n);
        return;
    }
    const int64_t first = tile % j->n_slices * j->slice, side = j->by_rows ? s->m : s->n;
    const int64_t n = side - first < j->slice ? side - first : j->slice;

    if (j->by_rows)
        multiply(j, tile / j->n_slices, first, n, 0, s->n);
    else
        multiply(j, tile / j->n_slices, 0, s->m, first, n);
}

/* beta C for K = 0: an empty sum. */
static enum dsc_status scale_only(struct dsc_device *d, const struct dsc_gemm_spec *s,
                                  const struct dsc_tensor *c, struct dsc_err *e)
{
    const double zero = 0;

    return s->beta == 0 ? dsc_cpu_fill(d, c, &zero, e) : dsc_cpu_axpy(d, s->beta - 1, c, c, e);
}

enum dsc_status dsc_cpu_gemm(struct dsc_device *d, const struct dsc_gemm_spec *spec,
                             const struct dsc_tensor *c, const struct dsc_tensor *a,
                             const struct dsc_tensor *b, struct dsc_err *e)
{
    struct gemm_job j = {.s = spec, .dtype = c->dtype, .c = c->data, .a = a->data, .b = b->data};
    const int64_t side = spec->m > spec->n ? spec->m : spec->n;
    const double work = (double)spec->m * (double)spec->n * (double)spec->k;

    if (dsc_cpu_is_half(c)) {
        struct dsc_cpu_wide w = {.n = 3, .arg = {c, a, b}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w, dsc_cpu_gemm(d, spec, dsc_cpu_wide(&w, 0), dsc_cpu_wide(&w, 1),
                                               dsc_cpu_wide(&w, 2), e));
    }
    if (c->dtype != DSC_F32 && c->dtype != DSC_F64)
        return dsc_cpu_no_dtype("gemm", c, e);
    if (spec->m == 0 || spec->n == 0 || spec->n_batch == 0)
        return DSC_OK;
    if (spec->k == 0)
        return scale_only(d, spec, c, e);
    if (spec->m > INT32_MAX || spec->n > INT32_MAX || spec->k > INT32_MAX)
        return dsc_fail(e, DSC_E_LIMIT, "a matrix side over 2^31 - 1");
    j.by_rows = spec->m > spec->n;
    j.n_slices = 1;
    if (work > 1e6 && side >= 2 * GEMM_MIN_SIDE) {
        j.slice = (side + GEMM_MAX_SLICES - 1) / GEMM_MAX_SLICES;
        j.slice = j.slice < GEMM_MIN_SIDE ? GEMM_MIN_SIDE : (j.slice + 15) / 16 * 16;
        j.n_slices = (side + j.slice - 1) / j.slice;
    }
    j.batch_per_tile = work < 1e5 ? (int64_t)(1e5 / (work + 1)) + 1 : 1;
    dsc_parallel_for(d->pool,
                     j.n_slices > 1 ? spec->n_batch * j.n_slices
                                    : (spec->n_batch + j.batch_per_tile - 1) / j.batch_per_tile,
                     gemm_tile, &j);
    return DSC_OK;
}
