/*
 * dsc.FakeQuantize: what QuantizeLinear and DequantizeLinear do, in float, with a gradient.
 *
 * Inputs x, scale (one, or one per index of `axis`), zero_point (integer; its type is the code's
 * type; read by the host; one element, or zeros), offset (one; it gives the zero point).
 * Attributes quantizer (ops/quantizers.def; lsq by default); axis; bits, fewer than the code's
 * type has; narrow: -127 instead of -128; stochastic: while training, up with the probability of
 * what is above the floor (Gupta et al. 2015, arXiv:1502.02551), `example` draws for each example,
 * `tensor` for all of them.
 * Gradients of scale and offset have LSQ's factor 1 / sqrt(N * largest code), N elements per scale.
 * The scale of signs (ternary, binary) is computed, not an input: of each index of `axis`; with
 * rows=1 of each row of the last axis; without either of all. Written as QuantizeLinear,
 * DequantizeLinear.
 */
#include "device/prim.h"
#include "dsc/op.h"
#include "dsc/quantizer.h"

#include <math.h>
#include <string.h>

#define NO_AXIS INT64_MAX

static const struct dsc_quantizer *quantizer_of(const struct dsc_node *n)
{
    return dsc_quantizer_find(dsc_node_string(n, "quantizer", "lsq"));
}

static enum dsc_status check_inputs(const struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_quantizer *how = quantizer_of(q->node);
    const char *name = dsc_node_string(q->node, "quantizer", "lsq");

    if (!dsc_node_has_in(q->node, 2))
        return dsc_fail(err, DSC_E_SHAPE, "there must be a zero point");
    if (!how)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "no quantizer '%s'", name);
    if (dsc_node_has_in(q->node, 1) == how->is_sign)
        return dsc_fail(err, DSC_E_SHAPE, "%s a scale: quantizer '%s'",
                        how->is_sign ? "there is" : "there must be", name);
    if (dsc_node_has_in(q->node, 3) != how->has_offset)
        return dsc_fail(err, DSC_E_SHAPE, "%s an offset: quantizer '%s'",
                        how->has_offset ? "there must be" : "there is", name);
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0], *s = &q->in[1];
    int axis;

    DSC_TRY(check_inputs(q, err));
    if (q->value[2] && dsc_tensor_n_elems(q->value[2]) < 1)
        return dsc_fail(err, DSC_E_SHAPE, "the zero point is empty");
    if (!dsc_node_has_in(q->node, 1)) {
        const int64_t of = dsc_node_int(q->node, "axis", NO_AXIS);

        if (of != NO_AXIS && x->rank >= 0)
            DSC_TRY(dsc_axis_check(of, x->rank, &axis, err));
        return dsc_infer_like_input(q, err);
    }
    DSC_TRY(dsc_same_dtype(q, DSC_IN(0) | DSC_IN(1), err));
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

static struct dsc_fake_quant_spec spec_of(const struct dsc_exec *x, const struct dsc_node *n,
                                          const struct dsc_tensor *zero, int64_t n_elems)
{
    const int bits = (int)dsc_node_int(n, "bits", dsc_dtype_bits(zero->dtype));
    const bool is_signed = dsc_dtype_kind(zero->dtype) == DSC_KIND_SIGNED;
    const char *draws = dsc_node_string(n, "stochastic", "");
    struct dsc_fake_quant_spec q = {.zero = dsc_tensor_get_f64(zero, 0),
                                    .inside = quantizer_of(n)->inside,
                                    .is_stochastic = x->is_training && draws[0],
                                    .n_per_example = n_elems};

    q.high = ldexp(1, is_signed ? bits - 1 : bits) - 1;
    q.low = !is_signed ? 0 : dsc_node_int(n, "narrow", 0) ? -q.high : -q.high - 1;
    if (!q.is_stochastic)
        return q;
    q.key = dsc_rng_mix(dsc_rng_mix_text(dsc_rng_key(x->seed), n->name), x->step);
    if (strcmp(draws, "example") == 0 && x->n_examples > 0 && n_elems % x->n_examples == 0) {
        q.n_per_example = n_elems / x->n_examples;
        q.ids = x->example_ids;
    }
    return q;
}

static struct dsc_axis_view view_of(const struct dsc_node *n, const struct dsc_tensor *x,
                                    const struct dsc_tensor *scale)
{
    const int64_t n_elems = dsc_tensor_n_elems(x);
    int64_t axis = dsc_node_int(n, "axis", scale ? 1 : NO_AXIS);

    if (dsc_node_int(n, "rows", 0) && x->rank > 0) {
        const int64_t n_cols = x->dim[x->rank - 1];

        return (struct dsc_axis_view){1, n_cols > 0 ? n_elems / n_cols : 0, n_cols};
    }
    if (axis == NO_AXIS || (scale && dsc_tensor_n_elems(scale) == 1))
        return (struct dsc_axis_view){1, 1, n_elems};
    return dsc_axis_view(x, (int)(axis < 0 ? axis + x->rank : axis));
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_axis_view v = view_of(n, in[0], in[1]);
    const struct dsc_quantizer *how = quantizer_of(n);
    struct dsc_fake_quant_spec q;

    if (how->is_sign)
        return dsc_scaled_sign(x->dev, how->threshold, v, out[0], in[0], err);
    q = spec_of(x, n, in[2], dsc_tensor_n_elems(in[0]));
    return dsc_fake_quant(x->dev, &q, v, out[0], in[0], in[1], how->has_offset ? in[3] : NULL, err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_tensor *in = saved->in[0], *scale = saved->in[1];
    const struct dsc_quantizer *how = quantizer_of(n);
    struct dsc_fake_quant_grads grads = {.x = din[0]};
    struct dsc_fake_quant_spec q;

    if (how->is_sign)
        return din[0] ? dsc_axpy(x->dev, 1, din[0], dout[0], err) : DSC_OK;
    q = spec_of(x, n, saved->in[2], dsc_tensor_n_elems(in));
    grads.scale = din[1];
    grads.offset = how->has_offset ? din[3] : NULL;
    grads.factor =
        1 /
        sqrt(fmax(1, (double)dsc_tensor_n_elems(in) / (double)dsc_tensor_n_elems(scale) * q.high));
    return dsc_fake_quant_bwd(x->dev, &q, view_of(n, in, scale), &grads, dout[0], in, scale,
                              how->has_offset ? saved->in[3] : NULL, err);
}

/* QuantizeLinear and DequantizeLinear with the same scale and zero point. */
static enum dsc_status expand(struct dsc_graph *g, struct dsc_node *n, struct dsc_err *err)
{
    const int64_t axis = dsc_node_int(n, "axis", 1);
    int code;
    struct dsc_node *q, *dq;

    if (quantizer_of(n)->is_sign || quantizer_of(n)->has_offset || dsc_node_int(n, "bits", 0))
        return dsc_fail(err, DSC_E_UNSUPPORTED, "QuantizeLinear has no codes as those of '%s'",
                        n->name);
    DSC_TRY(dsc_graph_call(g, "", "QuantizeLinear", NULL, 3, n->in, &code, &q, err));
    DSC_TRY(dsc_node_set_int(g, q, "axis", axis, err));
    DSC_TRY(dsc_graph_node(g, dsc_op_find("", "DequantizeLinear"), NULL, 3,
                           (int[]){code, n->in[1], n->in[2]}, 1, n->out, &dq, err));
    return dsc_node_set_int(g, dq, "axis", axis, err);
}

const struct dsc_op dsc_op_fakequantize = {
    .onnx = "FakeQuantize",
    .domain = "dsc",
    .n_in = 1,
    .n_in_optional = 3,
    .n_out = 1,
    .host_in = DSC_IN(2),
    .saves = DSC_IN(0) | DSC_IN(1) | DSC_IN(2) | DSC_IN(3),
    .param_scalar_in = DSC_IN(1) | DSC_IN(3),
    .is_rowwise = true,
    .is_random = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .expand = expand,
};
