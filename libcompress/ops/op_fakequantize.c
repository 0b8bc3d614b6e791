/*
 * dsc.FakeQuantize: what QuantizeLinear and DequantizeLinear do, in float, with a gradient.
 *
 * Inputs x, scale (one, or one per index of `axis`), zero_point (integer; its type is the code's
 * type; read by the host; one element, or zeros). Attributes axis; narrow: -127 instead of -128.
 * The scale learns by LSQ (Esser et al. 2020, arXiv:1902.08153): gradient factor
 * 1 / sqrt(N * largest code), N elements per scale. Written as QuantizeLinear, DequantizeLinear.
 */
#include "device/prim.h"
#include "dsc/op.h"

#include <math.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0], *s = &q->in[1];
    int axis;

    DSC_TRY(dsc_same_dtype(q, DSC_IN(0) | DSC_IN(1), err));
    if (q->value[2] && dsc_tensor_n_elems(q->value[2]) < 1)
        return dsc_fail(err, DSC_E_SHAPE, "the zero point is empty");
    if (s->rank > 1)
        return dsc_fail(err, DSC_E_SHAPE, "the scale has rank %d", s->rank);
    if (s->rank == 1 && s->dim[0] != 1 && x->rank >= 0) {
        DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", 1), x->rank, &axis, err));
        if (x->dim[axis] >= 0 && s->dim[0] >= 0 && x->dim[axis] != s->dim[0])
            return dsc_fail(err, DSC_E_SHAPE, "%lld scales for axis %d of size %lld",
                            (long long)s->dim[0], axis, (long long)x->dim[axis]);
    }
    return dsc_infer_like_input(q, err);
}

static struct dsc_fake_quant_limits limits_of(const struct dsc_node *n,
                                              const struct dsc_tensor *zero)
{
    const int bits = dsc_dtype_bits(zero->dtype);
    const bool is_signed = dsc_dtype_kind(zero->dtype) == DSC_KIND_SIGNED;
    struct dsc_fake_quant_limits q = {.zero = dsc_tensor_get_f64(zero, 0)};

    q.high = ldexp(1, is_signed ? bits - 1 : bits) - 1;
    q.low = !is_signed ? 0 : dsc_node_int(n, "narrow", 0) ? -q.high : -q.high - 1;
    return q;
}

static struct dsc_axis_view view_of(const struct dsc_node *n, const struct dsc_tensor *x,
                                    const struct dsc_tensor *scale)
{
    int64_t axis = dsc_node_int(n, "axis", 1);

    if (dsc_tensor_n_elems(scale) == 1)
        return (struct dsc_axis_view){1, 1, dsc_tensor_n_elems(x)};
    return dsc_axis_view(x, (int)(axis < 0 ? axis + x->rank : axis));
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_fake_quant(x->dev, limits_of(n, in[2]), view_of(n, in[0], in[1]), out[0], in[0],
                          in[1], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_fake_quant_limits q = limits_of(n, saved->in[2]);
    const double n_per_scale =
        (double)dsc_tensor_n_elems(saved->in[0]) / (double)dsc_tensor_n_elems(saved->in[1]);

    return dsc_fake_quant_bwd(x->dev, q, 1 / sqrt(fmax(1, n_per_scale * q.high)),
                              view_of(n, saved->in[0], saved->in[1]), din[0], din[1], dout[0],
                              saved->in[0], saved->in[1], err);
}

/* QuantizeLinear and DequantizeLinear with the same scale and zero point. */
static enum dsc_status expand(struct dsc_graph *g, struct dsc_node *n, struct dsc_err *err)
{
    const int64_t axis = dsc_node_int(n, "axis", 1);
    int code;
    struct dsc_node *q, *dq;

    DSC_TRY(dsc_graph_call(g, "", "QuantizeLinear", NULL, 3, n->in, &code, &q, err));
    DSC_TRY(dsc_node_set_int(g, q, "axis", axis, err));
    DSC_TRY(dsc_graph_node(g, dsc_op_find("", "DequantizeLinear"), NULL, 3,
                           (int[]){code, n->in[1], n->in[2]}, 1, n->out, &dq, err));
    return dsc_node_set_int(g, dq, "axis", axis, err);
}

const struct dsc_op dsc_op_fakequantize = {
    .onnx = "FakeQuantize",
    .domain = "dsc",
    .n_in = 3,
    .n_out = 1,
    .host_in = DSC_IN(2),
    .saves = DSC_IN(0) | DSC_IN(1) | DSC_IN(2),
    .param_scalar_in = DSC_IN(1),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .expand = expand,
};
