/*
 * LayerNormalization: the axes from `axis` on, to mean 0 and variance 1, then scale and bias, which
 * broadcast to the input in one direction. Optional outputs: mean and 1 / standard deviation.
 * ONNX LayerNormalization-17. Ba et al. 2016, arXiv:1607.06450.
 */
#include "device/prim.h"
#include "dsc/op.h"
#include "ops/elementwise.h"

#include <inttypes.h>

/* p broadcasts to x without stretching it; sizes that are not known yet may. */
static enum dsc_status check_stretch(const struct dsc_type *p, const struct dsc_type *x,
                                     const char *what, struct dsc_err *err)
{
    const int shift = x->rank - p->rank;

    if (p->rank < 0 || x->rank < 0)
        return DSC_OK;
    if (shift < 0)
        return dsc_fail(err, DSC_E_SHAPE, "a %s of rank %d for an input of rank %d", what, p->rank,
                        x->rank);
    for (int i = 0; i < p->rank; i++)
        if (p->dim[i] >= 0 && x->dim[i + shift] >= 0 && p->dim[i] != 1 &&
            p->dim[i] != x->dim[i + shift])
            return dsc_fail(err, DSC_E_SHAPE, "a %s of size %" PRId64 " along an axis of %" PRId64,
                            what, p->dim[i], x->dim[i + shift]);
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_type stat = q->in[0];
    int axis;

    DSC_TRY(dsc_same_dtype(q, DSC_ALL_IN, err));
    DSC_TRY(check_stretch(&q->in[1], &q->in[0], "scale", err));
    if (dsc_node_has_in(q->node, 2))
        DSC_TRY(check_stretch(&q->in[2], &q->in[0], "bias", err));
    q->out[0] = q->in[0];
    if (stat.dtype != DSC_F64 && stat.dtype != DSC_DTYPE_NONE)
        stat.dtype = DSC_F32;
    if (stat.rank >= 0) {
        DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", -1), stat.rank, &axis, err));
        for (int i = axis; i < stat.rank; i++)
            stat.dim[i] = 1;
    }
    for (int k = 1; k < q->n_out; k++)
        q->out[k] = stat;
    return DSC_OK;
}

static int first_axis(const struct dsc_node *n, int rank)
{
    const int64_t axis = dsc_node_int(n, "axis", -1);

    return (int)(axis < 0 ? axis + rank : axis);
}

static struct dsc_norm_spec spec_of(const struct dsc_node *n, int rank, const int64_t *dim)
{
    struct dsc_norm_spec s = {
        .n_rows = 1, .n = 1, .epsilon = (double)dsc_node_float(n, "epsilon", 1e-5f)};

    for (int i = 0; i < rank; i++)
        *(i < first_axis(n, rank) ? &s.n_rows : &s.n) *= dim[i];
    return s;
}

/* One number for each element of a row, as the primitive takes it: the normalised axes, and at
 * most axes of 1 before them. */
static bool is_row(const struct dsc_node *n, int rank, const int64_t *dim, int p_rank,
                   const int64_t *p_dim)
{
    const int shift = rank - p_rank, axis = first_axis(n, rank);

    for (int i = 0; i < rank; i++) {
        const int64_t d = i >= shift ? p_dim[i - shift] : 1;

        if (d != (i < axis ? 1 : dim[i]))
            return false;
    }
    return true;
}

static enum dsc_status ones(struct dsc_exec *x, enum dsc_dtype dtype, int64_t n,
                            struct dsc_tensor **t, struct dsc_err *err)
{
    int64_t bits = 0;
    struct dsc_tensor one = {.dtype = dtype, .data = &bits};

    dsc_tensor_set_f64(&one, 0, 1);
    DSC_TRY(dsc_exec_temp(x, dtype, 1, &n, t, err));
    return dsc_fill(x->dev, *t, &bits, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_tensor *v = in[0], *bias = n->n_in > 2 ? in[2] : NULL;
    const struct dsc_norm_spec s = spec_of(n, v->rank, v->dim);
    struct dsc_tensor *mean = n->n_out > 1 ? out[1] : NULL, *inv = n->n_out > 2 ? out[2] : NULL;
    struct dsc_tensor *gain, *hat, *scaled = out[0];

    if (is_row(n, v->rank, v->dim, in[1]->rank, in[1]->dim) &&
        (!bias || is_row(n, v->rank, v->dim, bias->rank, bias->dim)))
        return dsc_norm(x->dev, &s, out[0], mean, inv, v, in[1], bias, err);
    DSC_TRY(ones(x, v->dtype, s.n, &gain, err));
    DSC_TRY(dsc_exec_temp(x, v->dtype, v->rank, v->dim, &hat, err));
    DSC_TRY(dsc_norm(x->dev, &s, hat, mean, inv, v, gain, NULL, err));
    if (bias)
        DSC_TRY(dsc_exec_temp(x, v->dtype, v->rank, v->dim, &scaled, err));
    DSC_TRY(dsc_binary(x->dev, DSC_BINARY_mul, scaled, hat, in[1], err));
    return bias ? dsc_binary(x->dev, DSC_BINARY_add, out[0], scaled, bias, err) : DSC_OK;
}

/* Scale and bias are steps of their own behind a norm without them. */
static enum dsc_status backward_stretched(struct dsc_exec *x, const struct dsc_norm_spec *s,
                                          struct dsc_norm_grads g, const struct dsc_tensor *v,
                                          const struct dsc_tensor *scale, struct dsc_err *err)
{
    struct dsc_tensor *gain, *hat, *dhat = NULL;

    DSC_TRY(ones(x, v->dtype, s->n, &gain, err));
    if (g.dy && g.dbias)
        DSC_TRY(dsc_binary_bwd(x->dev, DSC_BINARY_add, 1, g.dbias, g.dy, NULL, NULL, err));
    if (g.dy) {
        DSC_TRY(dsc_exec_temp(x, v->dtype, v->rank, v->dim, &hat, err));
        DSC_TRY(dsc_norm(x->dev, s, hat, NULL, NULL, v, gain, NULL, err));
        DSC_TRY(dsc_zeros_temp(x, v->dtype, v->rank, v->dim, &dhat, err));
        DSC_TRY(dsc_binary_bwd(x->dev, DSC_BINARY_mul, 0, dhat, g.dy, hat, scale, err));
        if (g.dgain)
            DSC_TRY(dsc_binary_bwd(x->dev, DSC_BINARY_mul, 1, g.dgain, g.dy, hat, scale, err));
    }
    g.dgain = g.dbias = NULL;
    g.dy = dhat;
    return g.dx ? dsc_norm_bwd(x->dev, s, &g, v, gain, err) : DSC_OK;
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_tensor *v = saved->in[0], *scale = saved->in[1];
    const struct dsc_type *bias =
        n->n_in > 2 && saved->in_type[2].rank >= 0 ? &saved->in_type[2] : NULL;
    const struct dsc_norm_spec s = spec_of(n, v->rank, v->dim);
    const struct dsc_norm_grads g = {
        .dx = din[0],
        .dgain = din[1],
        .dbias = n->n_in > 2 ? din[2] : NULL,
        .dy = dout[0],
        .dmean = n->n_out > 1 ? dout[1] : NULL,
        .dinv = n->n_out > 2 ? dout[2] : NULL,
    };

    if (is_row(n, v->rank, v->dim, scale->rank, scale->dim) &&
        (!bias || is_row(n, v->rank, v->dim, bias->rank, bias->dim)))
        return dsc_norm_bwd(x->dev, &s, &g, v, scale, err);
    return backward_stretched(x, &s, g, v, scale, err);
}

static int64_t flops(const struct dsc_infer *q)
{
    int64_t n = 8;

    if (!dsc_type_is_known(&q->in[0]))
        return -1;
    for (int i = 0; i < q->in[0].rank; i++)
        n *= q->in[0].dim[i];
    return n;
}

const struct dsc_op dsc_op_layernormalization = {
    .onnx = "LayerNormalization",
    .n_in = 2,
    .n_in_optional = 1,
    .n_out = 1,
    .n_out_optional = 2,
    .since = 17,
    .saves = DSC_IN(0) | DSC_IN(1),
    .param_in = DSC_IN(1) | DSC_IN(2),
    .param_scalar_in = DSC_IN(1) | DSC_IN(2),
    .is_rowwise = true,
    .prune = DSC_PRUNE_NORM,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .flops = flops,
};
