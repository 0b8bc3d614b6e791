/* Shape: the sizes of axes [start, end). ONNX Shape-15. */
#include "dsc/op.h"

/* start and end count from the end when negative, and are clamped to the rank. */
static void bounds(const struct dsc_node *n, int rank, int *start, int *end)
{
    int64_t s = dsc_node_int(n, "start", 0), e = dsc_node_int(n, "end", rank);

    s += s < 0 ? rank : 0;
    e += e < 0 ? rank : 0;
    *start = (int)(s < 0 ? 0 : s > rank ? rank : s);
    *end = (int)(e < 0 ? 0 : e > rank ? rank : e);
    if (*end < *start)
        *end = *start;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    int start, end;

    q->out[0] = (struct dsc_type){.dtype = DSC_I64, .rank = 1, .dim = {DSC_DIM_UNKNOWN}};
    if (q->in[0].rank < 0)
        return DSC_OK;
    bounds(q->node, q->in[0].rank, &start, &end);
    q->out[0].dim[0] = end - start;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    int64_t *dim = out[0]->data;
    int start, end;

    bounds(n, in[0]->rank, &start, &end);
    for (int i = start; i < end; i++)
        *dim++ = in[0]->dim[i];
    return DSC_OK;
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return dsc_node_attr(n, "start") || dsc_node_attr(n, "end") ? 15 : 1;
}

const struct dsc_op dsc_op_shape = {
    .onnx = "Shape",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .shape_in = DSC_IN(0),
    .is_host = true,
    .prune = DSC_PRUNE_SHAPE,
    .infer = infer,
    .forward = forward,
    .min_opset = min_opset,
};
