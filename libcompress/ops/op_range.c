/* Range: start, start + delta, .. before limit. ONNX Range-11. */
#include "dsc/op.h"

#include <inttypes.h>
#include <math.h>

static const int64_t range_max = (int64_t)1 << 48; /* elements; more are no memory anywhere */

/* Integers exactly: differences of 64-bit numbers fit their unsigned type. */
static enum dsc_status count_ints(const struct dsc_tensor *const *v, int64_t *n,
                                  struct dsc_err *err)
{
    const int64_t start = dsc_tensor_get_i64(v[0], 0), limit = dsc_tensor_get_i64(v[1], 0);
    const int64_t delta = dsc_tensor_get_i64(v[2], 0);
    uint64_t span, step, count;

    if (delta == 0)
        return dsc_fail(err, DSC_E_RANGE, "delta is 0");
    *n = 0;
    if (delta > 0 ? limit <= start : limit >= start)
        return DSC_OK;
    span = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    count = (span - 1) / step + 1;
    if (count > (uint64_t)range_max)
        return dsc_fail(err, DSC_E_OVERFLOW, "a range of %" PRIu64 " elements", count);
    *n = (int64_t)count;
    return DSC_OK;
}

static enum dsc_status count_floats(const struct dsc_tensor *const *v, int64_t *n,
                                    struct dsc_err *err)
{
    const double start = dsc_tensor_get_f64(v[0], 0), limit = dsc_tensor_get_f64(v[1], 0);
    const double delta = dsc_tensor_get_f64(v[2], 0), count = ceil((limit - start) / delta);

    if (delta == 0 || !(count <= (double)range_max))
        return dsc_fail(err, DSC_E_RANGE, "no range from %g to %g by %g", start, limit, delta);
    *n = count > 0 ? (int64_t)count : 0;
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    static const char *const what[] = {"start", "limit", "delta"};
    struct dsc_type *out = &q->out[0];
    int64_t v;

    *out = (struct dsc_type){.dtype = q->in[0].dtype, .rank = 1, .dim = {DSC_DIM_UNKNOWN}};
    for (int i = 0; i < 3; i++) {
        if (q->in[i].dtype && out->dtype && q->in[i].dtype != out->dtype)
            return dsc_fail(err, DSC_E_TYPE, "%s is %s, start is %s", what[i],
                            dsc_dtype_text(q->in[i].dtype), dsc_dtype_text(out->dtype));
        if (!q->value[i])
            return DSC_OK;
        DSC_TRY(dsc_scalar_check(q->value[i], what[i], &v, err));
    }
    return dsc_dtype_is_float(out->dtype) ? count_floats(q->value, &out->dim[0], err)
                                          : count_ints(q->value, &out->dim[0], err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const bool is_float = dsc_dtype_is_float(out[0]->dtype);
    const double start = dsc_tensor_get_f64(in[0], 0), delta = dsc_tensor_get_f64(in[2], 0);
    const uint64_t first = (uint64_t)dsc_tensor_get_i64(in[0], 0);
    const uint64_t step = (uint64_t)dsc_tensor_get_i64(in[2], 0);

    for (int64_t i = 0; i < out[0]->dim[0]; i++) {
        if (is_float)
            dsc_tensor_set_f64(out[0], i, start + (double)i * delta);
        else
            dsc_tensor_set_i64(out[0], i, (int64_t)(first + (uint64_t)i * step));
    }
    return DSC_OK;
}

const struct dsc_op dsc_op_range = {
    .onnx = "Range",
    .n_in = 3,
    .n_out = 1,
    .since = 11,
    .host_in = DSC_IN(0) | DSC_IN(1) | DSC_IN(2),
    .is_host = true,
    .infer = infer,
    .forward = forward,
};
