/* F16 and BF16 on the cpu: widened to F32 around a primitive. */
#include "device/cpu/cpu.h"

static void widen_into(const struct dsc_tensor *dst, const struct dsc_tensor *src)
{
    const int64_t n = dsc_tensor_n_elems(src);
    const uint16_t *s = src->data;
    float *d = dst->data;

    for (int64_t i = 0; i < n; i++)
        d[i] = src->dtype == DSC_F16 ? dsc_half_to_float(s[i]) : dsc_bf16_to_float(s[i]);
}

static void narrow_into(const struct dsc_tensor *dst, const struct dsc_tensor *src)
{
    const int64_t n = dsc_tensor_n_elems(src);
    const float *s = src->data;
    uint16_t *d = dst->data;

    for (int64_t i = 0; i < n; i++)
        d[i] = dst->dtype == DSC_F16 ? dsc_float_to_half(s[i]) : dsc_float_to_bf16(s[i]);
}

enum dsc_status dsc_cpu_widen(struct dsc_cpu_wide *w, struct dsc_err *err)
{
    for (int i = 0; i < w->n; i++) {
        const struct dsc_tensor *t = w->arg[i];

        if (!t)
            continue;
        if (!dsc_cpu_is_half(t)) {
            dsc_tensor_ref(&w->wide[i], t);
            continue;
        }
        if (dsc_tensor_new(&w->wide[i], DSC_F32, t->rank, t->dim, err) != DSC_OK)
            return dsc_cpu_narrow(w, DSC_E_MEMORY);
        widen_into(&w->wide[i], t); /* outputs too: gradients are added to */
    }
    return DSC_OK;
}

const struct dsc_tensor *dsc_cpu_wide(const struct dsc_cpu_wide *w, int i)
{
    return w->arg[i] ? &w->wide[i] : NULL;
}

enum dsc_status dsc_cpu_narrow(struct dsc_cpu_wide *w, enum dsc_status st)
{
    for (int i = 0; i < w->n; i++) {
        if (st == DSC_OK && w->arg[i] && w->outs >> i & 1 && dsc_cpu_is_half(w->arg[i]))
            narrow_into(w->arg[i], &w->wide[i]);
        dsc_tensor_clear(&w->wide[i]);
    }
    return st;
}
