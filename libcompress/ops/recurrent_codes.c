/* Recurrent operators on 8-bit weights: the ranges of what meets them are computed at run time. */
#include "ops/recurrent.h"

/* What one product needs between its steps; made once, used for every step. */
static enum dsc_status make_temps(struct dsc_recurrence *r, int64_t m, int64_t k, int64_t n,
                                  struct dsc_rnn_code_temps *t, struct dsc_err *err)
{
    const int64_t product[2] = {m, n};

    if (t->scale)
        return DSC_OK;
    DSC_TRY(dsc_exec_temp(r->x, DSC_F32, 0, NULL, &t->scale, err));
    DSC_TRY(dsc_exec_temp(r->x, DSC_U8, 0, NULL, &t->zero, err));
    DSC_TRY(dsc_exec_temp(r->x, DSC_U8, 2, (int64_t[]){m, k}, &t->codes, err));
    DSC_TRY(dsc_exec_temp(r->x, DSC_I32, 2, product, &t->sums, err));
    DSC_TRY(dsc_exec_temp(r->x, DSC_F32, 2, product, &t->scaled, err));
    return dsc_exec_temp(r->x, DSC_F32, 2, product, &t->y, err);
}

/* A direction's scales or zero points: one, or one for each column. */
static struct dsc_tensor of_direction(const struct dsc_tensor *t, int dir)
{
    const int64_t n = t->rank == 2 ? t->dim[1] : 1;

    return dsc_rnn_part(t, dir * n, n > 1, &n);
}

static enum dsc_status quantize(struct dsc_recurrence *r, const struct dsc_rnn_code_temps *t,
                                const struct dsc_tensor *x, struct dsc_err *err)
{
    const struct dsc_scale_map one = {
        .outer = 1, .n = 1, .inner = dsc_tensor_n_elems(x), .block = 1};

    DSC_TRY(dsc_quant_range(r->x->dev, t->scale, t->zero, x, err));
    return dsc_quantize(r->x->dev, &one, t->codes, x, t->scale, t->zero, err);
}

/* t->y = the codes in t times those of a direction */
static enum dsc_status multiply(struct dsc_recurrence *r, const struct dsc_rnn_codes *w, int dir,
                                const struct dsc_rnn_code_temps *t, struct dsc_err *err)
{
    const struct dsc_igemm_spec s = {
        .m = t->y->dim[0], .n = t->y->dim[1], .k = t->codes->dim[1], .n_batch = 1};
    const struct dsc_tensor code = dsc_rnn_part(w->code, dir * s.k * s.n, 2, (int64_t[]){s.k, s.n});
    const struct dsc_tensor scale = of_direction(w->scale, dir);
    const struct dsc_tensor zero = of_direction(w->zero, dir);
    const struct dsc_scale_map columns = {
        .outer = s.m, .n = s.n, .inner = 1, .block = 1, .sn = scale.rank};

    DSC_TRY(dsc_igemm(r->x->dev, &s, t->sums, t->codes, &code, t->zero, &zero, err));
    DSC_TRY(dsc_dequantize(r->x->dev, &columns, t->scaled, t->sums, &scale, NULL, err));
    return dsc_binary(r->x->dev, DSC_BINARY_mul, t->y, t->scaled, t->scale, err);
}

enum dsc_status dsc_rnn_inputs_codes(struct dsc_recurrence *r, const struct dsc_tensor *x,
                                     const struct dsc_tensor *xw, bool is_adding,
                                     struct dsc_err *err)
{
    const int64_t rows = r->n_steps * r->n_batch, gates = r->cell->n_gates * r->n_hidden;
    const int64_t dim[2] = {rows, gates};
    const struct dsc_walk from = {.stride = {gates, 1}};
    struct dsc_rnn_code_temps t = {0};

    if (rows == 0)
        return DSC_OK;
    DSC_TRY(make_temps(r, rows, r->n_in, gates, &t, err));
    DSC_TRY(quantize(r, &t, x, err));
    for (int d = 0; d < r->n_dirs; d++) {
        const struct dsc_walk to = {.offset = d * gates, .stride = {r->n_dirs * gates, 1}};

        DSC_TRY(multiply(r, r->w_codes, d, &t, err));
        DSC_TRY(is_adding ? dsc_add_copy(r->x->dev, 2, dim, xw, &to, t.y, &from, err)
                          : dsc_copy(r->x->dev, 2, dim, xw, &to, t.y, &from, err));
    }
    return DSC_OK;
}

enum dsc_status dsc_rnn_product_codes(struct dsc_recurrence *r, const struct dsc_tensor *raw,
                                      const struct dsc_tensor *h, struct dsc_err *err)
{
    const int64_t n = r->n_hidden, n_gates = r->cell->n_gates, dim[3] = {n_gates, r->n_batch, n};
    const struct dsc_walk to = {.stride = {r->n_batch * n, n, 1}};
    const struct dsc_walk from = {.stride = {n, n_gates * n, 1}};

    if (r->n_batch == 0)
        return DSC_OK;
    DSC_TRY(make_temps(r, r->n_batch, n, n_gates * n, &r->code_temps, err));
    DSC_TRY(quantize(r, &r->code_temps, h, err));
    DSC_TRY(multiply(r, r->r_codes, r->dir, &r->code_temps, err));
    return dsc_add_copy(r->x->dev, 3, dim, raw, &to, r->code_temps.y, &from, err);
}
