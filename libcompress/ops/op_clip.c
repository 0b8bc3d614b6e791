/* Clip: y = min(max(x, low), high), both optional scalars. ONNX Clip-13. */
#include "ops/elementwise.h"
#include "ops/upgrade.h"

#include <math.h>

/* Opset 6 has the limits as attributes, for floats only. */
static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    const enum dsc_dtype declared = g->values[n->in[0]].type.dtype;
    const enum dsc_dtype dtype = dsc_dtype_is_float(declared) ? declared : DSC_F32;

    DSC_TRY(dsc_upgrade_float(g, n, "min", dtype, 1, err));
    return dsc_upgrade_float(g, n, "max", dtype, 2, err);
}

static struct dsc_map_param limits(const struct dsc_tensor *low, const struct dsc_tensor *high)
{
    return (struct dsc_map_param){.alpha = low ? dsc_tensor_get_f64(low, 0) : -INFINITY,
                                  .beta = high ? dsc_tensor_get_f64(high, 0) : INFINITY};
}

/* y = f(from, *limit), limit on the host. */
static enum dsc_status against(struct dsc_exec *x, enum dsc_binary_fn fn,
                               const struct dsc_tensor *y, const struct dsc_tensor *from,
                               const struct dsc_tensor *limit, struct dsc_err *err)
{
    struct dsc_tensor *t;

    DSC_TRY(dsc_exec_temp(x, y->dtype, 0, NULL, &t, err));
    DSC_TRY(dsc_fill(x->dev, t, limit->data, err));
    return dsc_binary(x->dev, fn, y, from, t, err);
}

/* Integers go through binary functions: a double does not hold every 64-bit limit. */
static enum dsc_status clip_int(struct dsc_exec *x, struct dsc_tensor *y,
                                const struct dsc_tensor *from, const struct dsc_tensor *low,
                                const struct dsc_tensor *high, struct dsc_err *err)
{
    struct dsc_tensor *part = y;

    if ((low && low->dtype != y->dtype) || (high && high->dtype != y->dtype))
        return dsc_fail(err, DSC_E_TYPE, "the limits are not %s", dsc_dtype_text(y->dtype));
    if (!low && !high)
        return dsc_binary(x->dev, DSC_BINARY_max, y, from, from, err);
    if (low && high)
        DSC_TRY(dsc_exec_temp(x, y->dtype, y->rank, y->dim, &part, err));
    if (low)
        DSC_TRY(against(x, DSC_BINARY_max, part, from, low, err));
    return high ? against(x, DSC_BINARY_min, y, low ? part : from, high, err) : DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_tensor *low = n->n_in > 1 ? in[1] : NULL, *high = n->n_in > 2 ? in[2] : NULL;

    if (!dsc_dtype_is_float(in[0]->dtype))
        return clip_int(x, out[0], in[0], low, high, err);
    return dsc_map(x->dev, DSC_MAP_clip, limits(low, high), out[0], in[0], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    return dsc_map_bwd(x->dev, DSC_MAP_clip, limits(saved->in[1], saved->in[2]), din[0], dout[0],
                       saved->in[0], NULL, err);
}

const struct dsc_op dsc_op_clip = {
    .onnx = "Clip",
    .n_in = 1,
    .n_in_optional = 2,
    .n_out = 1,
    .since = 11,
    .host_in = DSC_IN(1) | DSC_IN(2),
    .saves = DSC_IN(0) | DSC_IN(1) | DSC_IN(2),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .upgrade = upgrade,
    .infer = dsc_infer_like_input,
    .forward = forward,
    .backward = backward,
};
