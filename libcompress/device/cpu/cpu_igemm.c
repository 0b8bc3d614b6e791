/*
 * igemm: products of 8-bit matrices with zero points, summed in 32 bits (wrapping). B is packed for
 * the kernel, some batches at a time, then multiplied in tiles of rows and columns.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

enum { IGEMM_ROWS = 64, IGEMM_COLS = 192 }; /* of a tile */

static const size_t igemm_packed_max = (size_t)64 << 20; /* of the batches packed together */

struct igemm_job {
    const struct dsc_igemm_spec *s;
    const struct dsc_tensor *c, *a, *b, *za, *zb;
    int64_t n_za, n_zb;
};

static int32_t code_at(const struct dsc_tensor *t, int64_t i)
{
    return t->dtype == DSC_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
}

static int64_t batch_at(const int64_t *list, int64_t i, int64_t n_matrix)
{
    return list ? list[i] : i * n_matrix;
}

/* One row of C whose sums are too long for the kernel: they wrap. */
static void igemm_row(void *ctx, int64_t at)
{
    const struct igemm_job *j = ctx;
    const struct dsc_igemm_spec *s = j->s;
    const int64_t batch = at / s->m, row = at % s->m;
    const int64_t a0 = batch_at(s->batch_a, batch, s->m * s->k) + row * s->k;
    const int64_t b0 = batch_at(s->batch_b, batch, s->k * s->n);
    const int32_t za = j->za ? code_at(j->za, j->n_za == 1 ? 0 : at % j->n_za) : 0;
    uint32_t *c = (uint32_t *)j->c->data + at * s->n;

    for (int64_t n = 0; n < s->n; n++)
        c[n] = 0;
    for (int64_t k = 0; k < s->k; k++) {
        const int32_t a = code_at(j->a, a0 + k) - za;
        const int64_t b_row = b0 + k * s->n;

        for (int64_t n = 0; n < s->n; n++) {
            const int32_t zb =
                j->zb ? code_at(j->zb, j->n_zb == 1 ? 0 : (batch * s->n + n) % j->n_zb) : 0;

            c[n] += (uint32_t)(a * (code_at(j->b, b_row + n) - zb));
        }
    }
}

/* Batches from `first` on, packed one behind the other. */
struct packed_job {
    const struct igemm_job *j;
    const struct dsc_kernels *kernels;
    int64_t first;
    size_t n_bytes;
    int8_t *packed;
    int32_t *col_sum, *za, *zb;
    int64_t n_row_tiles, n_col_tiles;
    bool is_shared; /* one B for all */
};

static void pack_tile(void *ctx, int64_t tile)
{
    const struct packed_job *p = ctx;
    const struct dsc_igemm_spec *s = p->j->s;
    const int64_t at = batch_at(s->batch_b, p->first + tile, s->k * s->n);

    dsc_qgemm_pack(p->packed + (size_t)tile * p->n_bytes, p->col_sum + tile * s->n,
                   (const char *)p->j->b->data + at, p->j->b->dtype == DSC_U8, s->k, s->n, s->n, 1);
}

static void product_tile(void *ctx, int64_t tile)
{
    const struct packed_job *p = ctx;
    const struct igemm_job *j = p->j;
    const struct dsc_igemm_spec *s = j->s;
    const int64_t col = tile % p->n_col_tiles * IGEMM_COLS;
    const int64_t row = tile / p->n_col_tiles % p->n_row_tiles * IGEMM_ROWS;
    const int64_t in_group = tile / p->n_col_tiles / p->n_row_tiles, batch = p->first + in_group;
    const int64_t b = p->is_shared ? 0 : in_group;
    struct dsc_qgemm q = {
        .m = s->m - row < IGEMM_ROWS ? s->m - row : IGEMM_ROWS,
        .n = s->n - col < IGEMM_COLS ? s->n - col : IGEMM_COLS,
        .k = s->k,
        .a = (const char *)j->a->data + batch_at(s->batch_a, batch, s->m * s->k) + row * s->k,
        .a_step = s->k,
        .a_is_signed = j->a->dtype == DSC_I8,
        .b = p->packed + (size_t)b * p->n_bytes +
             col / DSC_QGEMM_PANEL * dsc_qgemm_panel_bytes(s->k),
        .col_sum = p->col_sum + b * s->n + col,
        .a_zero = p->za + (j->n_za > 1 ? (batch * s->m + row) % j->n_za : 0),
        .a_zero_step = j->n_za > 1,
        .b_zero = p->zb + (j->n_zb > 1 ? (batch * s->n + col) % j->n_zb : 0),
        .b_zero_step = j->n_zb > 1,
        .acc = (int32_t *)j->c->data + (batch * s->m + row) * s->n + col,
        .y_step = s->n,
    };

    if (!j->zb && j->b->dtype == DSC_I8)
        q.b_zero = NULL;
    p->kernels->qgemm(&q);
}

/* Zero points as the kernel takes them: 32 bits, those of unsigned B 128 lower, as B is packed. */
static enum dsc_status take_zeros(int32_t **out, const struct dsc_tensor *zero, int64_t n,
                                  int32_t shift, struct dsc_err *e)
{
    *out = dsc_heap_alloc(n ? (size_t)n : 1, sizeof **out, e);
    if (!*out)
        return DSC_E_MEMORY;
    (*out)[0] = -shift;
    for (int64_t i = 0; zero && i < n; i++)
        (*out)[i] = code_at(zero, i) - shift;
    return DSC_OK;
}

static enum dsc_status run_packed(struct dsc_device *d, const struct igemm_job *j,
                                  struct dsc_err *e)
{
    const struct dsc_igemm_spec *s = j->s;
    struct packed_job p = {.j = j, .kernels = d->kernels, .is_shared = true};
    int64_t group;
    enum dsc_status st;

    if (!dsc_qgemm_packed_bytes(s->k, s->n, &p.n_bytes))
        return dsc_fail(e, DSC_E_OVERFLOW, "a packed matrix of %lld by %lld", (long long)s->k,
                        (long long)s->n);
    for (int64_t i = 1; i < s->n_batch && p.is_shared; i++)
        p.is_shared = s->batch_b && s->batch_b[i] == s->batch_b[0];
    group = p.n_bytes && p.n_bytes < igemm_packed_max ? (int64_t)(igemm_packed_max / p.n_bytes) : 1;
    group = p.is_shared || group > s->n_batch ? s->n_batch : group;
    p.n_row_tiles = (s->m + IGEMM_ROWS - 1) / IGEMM_ROWS;
    p.n_col_tiles = (s->n + IGEMM_COLS - 1) / IGEMM_COLS;
    DSC_TRY_OUT(st, take_zeros(&p.za, j->za, j->n_za, 0, e));
    DSC_TRY_OUT(st, take_zeros(&p.zb, j->zb, j->n_zb, j->b->dtype == DSC_U8 ? 128 : 0, e));
    p.packed = dsc_heap_alloc((size_t)(p.is_shared ? 1 : group), p.n_bytes ? p.n_bytes : 1, e);
    p.col_sum =
        dsc_heap_alloc((size_t)(p.is_shared ? 1 : group) * (size_t)s->n, sizeof p.col_sum[0], e);
    if (!p.packed || !p.col_sum) {
        st = DSC_E_MEMORY;
        goto out;
    }
    for (p.first = 0; p.first < s->n_batch; p.first += group) {
        const int64_t n = s->n_batch - p.first < group ? s->n_batch - p.first : group;

        dsc_parallel_for(d->pool, p.is_shared ? 1 : n, pack_tile, &p);
        dsc_parallel_for(d->pool, n * p.n_row_tiles * p.n_col_tiles, product_tile, &p);
    }
out:
    dsc_heap_free(p.za);
    dsc_heap_free(p.zb);
    dsc_heap_free(p.packed);
    dsc_heap_free(p.col_sum);
    return st;
}

enum dsc_status dsc_cpu_igemm(struct dsc_device *d, const struct dsc_igemm_spec *spec,
                              const struct dsc_tensor *c, const struct dsc_tensor *a,
                              const struct dsc_tensor *b, const struct dsc_tensor *za,
                              const struct dsc_tensor *zb, struct dsc_err *e)
{
    struct igemm_job j = {.s = spec, .c = c, .a = a, .b = b, .za = za, .zb = zb};

    if ((a->dtype != DSC_U8 && a->dtype != DSC_I8) || (b->dtype != DSC_U8 && b->dtype != DSC_I8))
        return dsc_cpu_no_dtype("igemm", a->dtype == DSC_U8 || a->dtype == DSC_I8 ? b : a, e);
    j.n_za = za ? dsc_tensor_n_elems(za) : 0;
    j.n_zb = zb ? dsc_tensor_n_elems(zb) : 0;
    if (spec->k <= DSC_QGEMM_K_MAX && spec->m > 0 && spec->n > 0 && spec->n_batch > 0)
        return run_packed(d, &j, e);
    dsc_parallel_for(d->pool, spec->n_batch * spec->m, igemm_row, &j);
    return DSC_OK;
}
