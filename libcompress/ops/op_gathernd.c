/* GatherND: rows named by tuples of indices, after batch_dims common axes. ONNX GatherND-13. */
#include "ops/scatter.h"

#include <inttypes.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[0], *idx = &q->in[1];
    struct dsc_type *out = &q->out[0];
    const int64_t n_batch = dsc_node_int(q->node, "batch_dims", 0);
    int64_t depth;

    out->dtype = x->dtype;
    if (x->rank < 0 || idx->rank < 0)
        return DSC_OK;
    if (n_batch < 0 || n_batch >= x->rank || n_batch >= idx->rank)
        return dsc_fail(err, DSC_E_RANGE, "batch_dims %" PRId64 " of ranks %d and %d", n_batch,
                        x->rank, idx->rank);
    depth = idx->dim[idx->rank - 1];
    if (depth < 0)
        return DSC_OK;
    for (int i = 0; i < n_batch; i++)
        if (x->dim[i] >= 0 && idx->dim[i] >= 0 && x->dim[i] != idx->dim[i])
            return dsc_fail(err, DSC_E_SHAPE, "batch axis %d has sizes %" PRId64 " and %" PRId64, i,
                            x->dim[i], idx->dim[i]);
    if (depth < 1 || depth > x->rank - n_batch)
        return dsc_fail(err, DSC_E_SHAPE, "tuples of %" PRId64 " indices into %d axes", depth,
                        x->rank - (int)n_batch);
    if (idx->rank - 1 + x->rank - n_batch - depth > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_LIMIT, "more than %d axes", DSC_MAX_RANK);
    out->rank = 0;
    for (int i = 0; i < idx->rank - 1; i++)
        out->dim[out->rank++] = idx->dim[i];
    for (int i = (int)(n_batch + depth); i < x->rank; i++)
        out->dim[out->rank++] = x->dim[i];
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const int n_batch = (int)dsc_node_int(n, "batch_dims", 0);
    struct dsc_axis_view v;
    struct dsc_tensor *flat;

    DSC_TRY(dsc_flat_tuples(x, in[0]->rank, in[0]->dim, n_batch, in[1], &v, &flat, err));
    return dsc_gather(x->dev, v, out[0], in[0], flat, err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const int n_batch = (int)dsc_node_int(n, "batch_dims", 0);
    struct dsc_axis_view v;
    struct dsc_tensor *flat;

    DSC_TRY(dsc_flat_tuples(x, din[0]->rank, din[0]->dim, n_batch, saved->in[1], &v, &flat, err));
    return dsc_scatter(x->dev, DSC_SCATTER_ADD, v, din[0], flat, dout[0], err);
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return dsc_node_attr(n, "batch_dims") ? 12 : 11;
}

const struct dsc_op dsc_op_gathernd = {
    .onnx = "GatherND",
    .n_in = 2,
    .n_out = 1,
    .since = 11,
    .param_in = DSC_IN(0),
    .saves = DSC_IN(1),
    .quant = DSC_QUANT_PASS,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .min_opset = min_opset,
};
