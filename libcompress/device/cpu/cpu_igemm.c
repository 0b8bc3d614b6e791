/* igemm: products of 8-bit matrices with zero points, summed in 32 bits (wrapping). */
#include "device/cpu/cpu.h"

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

/* One row of C: for each k a row of B times one code of A, so that memory is walked in order. */
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
    dsc_parallel_for(d->pool, spec->n_batch * spec->m, igemm_row, &j);
    return DSC_OK;
}
