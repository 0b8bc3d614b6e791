/* Weights in codes: memory, rounding, and the matrix that they stand for. */
#include "device/prim.h"
#include "dsc/checked.h"
#include "dsc/quant.h"
#include "passes/rewrite.h"

#include <math.h>

static bool n_product(int64_t a, int64_t b, size_t *n)
{
    return a >= 0 && b >= 0 && dsc_mul_size((size_t)a, (size_t)b, n);
}

enum dsc_status dsc_weight_codes_new(struct dsc_weight_codes *q,
                                     const struct dsc_weight_layout *layout, int64_t n_rows,
                                     int64_t n_cols, struct dsc_err *err)
{
    size_t n_codes, n_scales;

    *q = (struct dsc_weight_codes){.layout = *layout, .n_rows = n_rows, .n_cols = n_cols};
    if (q->layout.group == 0)
        q->layout.group = n_cols > 0 ? n_cols : 1;
    q->n_groups = n_cols / q->layout.group + (n_cols % q->layout.group != 0);
    if (!n_product(n_rows, n_cols, &n_codes) || !n_product(n_rows, q->n_groups, &n_scales))
        return dsc_fail(err, DSC_E_OVERFLOW, "a weight of %lld x %lld", (long long)n_rows,
                        (long long)n_cols);
    q->code = dsc_heap_alloc(n_codes + 1, sizeof *q->code, err);
    q->scale = q->code ? dsc_heap_alloc(n_scales + 1, sizeof *q->scale, err) : NULL;
    if (q->scale && !layout->is_symmetric)
        q->zero = dsc_heap_alloc(n_scales + 1, sizeof *q->zero, err);
    if (q->scale && (layout->is_symmetric || q->zero))
        return DSC_OK;
    dsc_weight_codes_clear(q);
    return DSC_E_MEMORY;
}

void dsc_weight_codes_clear(struct dsc_weight_codes *q)
{
    dsc_heap_free(q->code);
    dsc_heap_free(q->scale);
    dsc_heap_free(q->zero);
    q->code = q->zero = NULL;
    q->scale = NULL;
}

static int zero_of(const struct dsc_weight_codes *q, int64_t at)
{
    return q->zero ? q->zero[at] : 1 << (q->layout.bits - 1);
}

uint8_t dsc_weight_code(const struct dsc_weight_codes *q, int64_t row, int64_t col, double v)
{
    const int64_t at = row * q->n_groups + col / q->layout.group;
    const double c = rint(v / (double)q->scale[at]) + zero_of(q, at);
    const double low = q->layout.is_symmetric ? 1 : 0, high = (1 << q->layout.bits) - 1;

    return (uint8_t)(!(c > low) ? low : c > high ? high : c);
}

double dsc_weight_value(const struct dsc_weight_codes *q, int64_t row, int64_t col, uint8_t code)
{
    const int64_t at = row * q->n_groups + col / q->layout.group;

    return (double)((float)(code - zero_of(q, at)) * q->scale[at]);
}

/* The rows are the matrix's columns. */
static bool is_turned(const struct dsc_quant_site *site)
{
    return site->kind == DSC_SITE_WEIGHT && site->out_axis == 1;
}

enum dsc_status dsc_weight_rows(const struct dsc_graph *g, const struct dsc_quant_site *site,
                                struct dsc_tensor *rows, struct dsc_err *err)
{
    const struct dsc_tensor *w = dsc_constant(g, site->value);

    if (!is_turned(site)) {
        dsc_tensor_ref(rows, w);
        return DSC_OK;
    }
    DSC_TRY(dsc_tensor_new(rows, DSC_F32, 2, (int64_t[]){w->dim[1], w->dim[0]}, err));
    dsc_copy_transposed(rows, w);
    return DSC_OK;
}

enum dsc_status dsc_weight_restore(const struct dsc_graph *g, const struct dsc_quant_site *site,
                                   const struct dsc_weight_codes *q, struct dsc_tensor *w,
                                   struct dsc_err *err)
{
    const struct dsc_tensor *old = dsc_constant(g, site->value);
    const int64_t row_step = is_turned(site) ? 1 : q->n_cols;
    const int64_t col_step = is_turned(site) ? q->n_rows : 1;

    DSC_TRY(dsc_tensor_new(w, DSC_F32, 2, old->dim, err));
    for (int64_t r = 0; r < q->n_rows; r++)
        for (int64_t c = 0; c < q->n_cols; c++)
            ((float *)w->data)[r * row_step + c * col_step] =
                (float)dsc_weight_value(q, r, c, q->code[r * q->n_cols + c]);
    return DSC_OK;
}

/* Sums over each scale's elements in their order, as dsc.FakeQuantize adds them. */
enum dsc_status dsc_quant_signs(const struct dsc_tensor *w, const struct dsc_quantizer *how,
                                int axis, struct dsc_tensor *code, float *scales,
                                struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(w), n_scales = axis < 0 ? 1 : w->dim[axis];
    const int64_t inner = axis == 0 ? w->dim[1] : 1;
    const float *v = w->data;
    double *sums = dsc_heap_alloc((size_t)n_scales + 1, 3 * sizeof *sums, err);
    double *cut = sums, *kept = sums + n_scales, *n_kept = sums + 2 * n_scales;

    if (!sums || dsc_tensor_new(code, DSC_I8, w->rank, w->dim, err) != DSC_OK) {
        dsc_heap_free(sums);
        return DSC_E_MEMORY;
    }
    for (int64_t i = 0; i < n; i++)
        cut[i / inner % n_scales] += fabs((double)v[i]);
    for (int64_t k = 0; k < n_scales; k++)
        cut[k] = how->threshold * cut[k] / (double)(n / n_scales);
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = i / inner % n_scales;
        const double t = dsc_sign_code((double)v[i], cut[k]);

        ((int8_t *)code->data)[i] = (int8_t)t;
        kept[k] += t != 0 ? fabs((double)v[i]) : 0;
        n_kept[k] += t != 0;
    }
    for (int64_t k = 0; k < n_scales; k++)
        scales[k] = (float)dsc_sign_scale(kept[k], n_kept[k]);
    dsc_heap_free(sums);
    return DSC_OK;
}
