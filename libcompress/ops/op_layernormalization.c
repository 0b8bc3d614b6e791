/*
 * LayerNormalization: the axes from `axis` on, to mean 0 and variance 1, then scale and bias.
 * Optional outputs: mean and 1 / standard deviation. ONNX LayerNormalization-17.
 * Ba et al. 2016, arXiv:1607.06450.
 */
#include "device/prim.h"
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_type stat = q->in[0];
    int axis;

    DSC_TRY(dsc_same_dtype(q, DSC_ALL_IN, err));
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

static enum dsc_status spec_of(const struct dsc_node *n, int rank, const int64_t *dim,
                               const struct dsc_tensor *scale, struct dsc_norm_spec *s,
                               struct dsc_err *err)
{
    const int64_t axis = dsc_node_int(n, "axis", -1);

    *s = (struct dsc_norm_spec){
        .n_rows = 1, .n = 1, .epsilon = (double)dsc_node_float(n, "epsilon", 1e-5f)};
    for (int i = 0; i < rank; i++)
        *(i < (axis < 0 ? axis + rank : axis) ? &s->n_rows : &s->n) *= dim[i];
    if (dsc_tensor_n_elems(scale) != s->n)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "a scale of %lld elements for rows of %lld",
                        (long long)dsc_tensor_n_elems(scale), (long long)s->n);
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_tensor *bias = n->n_in > 2 ? in[2] : NULL;
    struct dsc_norm_spec s;

    DSC_TRY(spec_of(n, in[0]->rank, in[0]->dim, in[1], &s, err));
    if (bias && dsc_tensor_n_elems(bias) != s.n)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "a bias that broadcasts");
    return dsc_norm(x->dev, &s, out[0], n->n_out > 1 ? out[1] : NULL, n->n_out > 2 ? out[2] : NULL,
                    in[0], in[1], bias, err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_norm_grads g = {
        .dx = din[0],
        .dgain = din[1],
        .dbias = n->n_in > 2 ? din[2] : NULL,
        .dy = dout[0],
        .dmean = n->n_out > 1 ? dout[1] : NULL,
        .dinv = n->n_out > 2 ? dout[2] : NULL,
    };
    struct dsc_norm_spec s;

    DSC_TRY(spec_of(n, saved->in[0]->rank, saved->in[0]->dim, saved->in[1], &s, err));
    return dsc_norm_bwd(x->dev, &s, &g, saved->in[0], saved->in[1], err);
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
