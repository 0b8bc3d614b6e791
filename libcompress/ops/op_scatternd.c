/* ScatterND: x with rows of updates at tuples of indices. ONNX ScatterND-18. */
#include "ops/scatter.h"

#include <inttypes.h>

/* Axis i of updates: first the tuples', then the rows'. */
static enum dsc_status check_updates(const struct dsc_type *x, const struct dsc_type *idx,
                                     const struct dsc_type *u, int depth, struct dsc_err *err)
{
    if (u->rank != idx->rank - 1 + x->rank - depth)
        return dsc_fail(err, DSC_E_SHAPE, "updates have rank %d, not %d", u->rank,
                        idx->rank - 1 + x->rank - depth);
    for (int i = 0; i < u->rank; i++) {
        const int64_t want = i < idx->rank - 1 ? idx->dim[i] : x->dim[i - (idx->rank - 1) + depth];

        if (want >= 0 && u->dim[i] >= 0 && want != u->dim[i])
            return dsc_fail(err, DSC_E_SHAPE, "axis %d of updates is %" PRId64 ", not %" PRId64, i,
                            u->dim[i], want);
    }
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0], *idx = &q->in[1], *u = &q->in[2];
    enum dsc_scatter how;
    int64_t depth;

    q->out[0] = q->in[0];
    DSC_TRY(dsc_scatter_how(q->node, &how, err));
    DSC_TRY(dsc_scatter_same_dtype(q, err));
    if (x->rank < 0 || idx->rank < 0 || u->rank < 0)
        return DSC_OK;
    depth = idx->rank > 0 ? idx->dim[idx->rank - 1] : 0;
    if (depth < 0)
        return DSC_OK;
    if (depth < 1 || depth > x->rank)
        return dsc_fail(err, DSC_E_SHAPE, "tuples of %" PRId64 " indices into %d axes", depth,
                        x->rank);
    return check_updates(x, idx, u, (int)depth, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    struct dsc_axis_view v;
    enum dsc_scatter how;
    struct dsc_tensor *flat;

    DSC_TRY(dsc_scatter_how(n, &how, err));
    DSC_TRY(dsc_flat_tuples(x, in[0]->rank, in[0]->dim, 0, in[1], &v, &flat, err));
    DSC_TRY(dsc_cast(x->dev, out[0], in[0], err));
    return dsc_scatter(x->dev, how, v, out[0], flat, in[2], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    struct dsc_axis_view v;
    struct dsc_tensor *flat;

    DSC_TRY(dsc_flat_tuples(x, dout[0]->rank, dout[0]->dim, 0, saved->in[1], &v, &flat, err));
    return dsc_scatter_backward(x, n, v, flat, saved, dout[0], din, err);
}

const struct dsc_op dsc_op_scatternd = {
    .onnx = "ScatterND",
    .n_in = 3,
    .n_out = 1,
    .since = 11,
    .saves = DSC_IN(0) | DSC_IN(1) | DSC_IN(2) | DSC_OUT(0),
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .min_opset = dsc_scatter_min_opset,
};
