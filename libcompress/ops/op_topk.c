/* TopK: the k largest (smallest) along an axis, in order, equals by place. ONNX TopK-11. */
#include "ops/scatter.h"
#include "ops/upgrade.h"

#include <inttypes.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    int64_t k = DSC_DIM_UNKNOWN;
    int axis;

    if (q->value[1])
        DSC_TRY(dsc_scalar_check(q->value[1], "k", &k, err));
    for (int i = 0; i < q->n_out; i++) {
        q->out[i] = q->in[0];
        if (i == 1)
            q->out[i].dtype = DSC_I64;
        if (q->in[0].rank < 0)
            continue;
        DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", -1), q->in[0].rank, &axis, err));
        if (q->value[1] && (k < 0 || (q->in[0].dim[axis] >= 0 && k > q->in[0].dim[axis])))
            return dsc_fail(err, DSC_E_RANGE, "k = %" PRId64 " along an axis of %" PRId64, k,
                            q->in[0].dim[axis]);
        q->out[i].dim[axis] = k;
    }
    return DSC_OK;
}

static int axis_of(const struct dsc_node *n, int rank)
{
    const int64_t axis = dsc_node_int(n, "axis", -1);

    return (int)(axis < 0 ? axis + rank : axis);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const int axis = axis_of(n, in[0]->rank);
    const int64_t k = dsc_tensor_get_i64(in[1], 0);
    struct dsc_tensor *values = out[0], *places = n->n_out > 1 ? out[1] : NULL;
    int64_t dim[DSC_MAX_RANK];

    for (int i = 0; i < in[0]->rank; i++)
        dim[i] = i == axis ? k : in[0]->dim[i];
    if (!values)
        DSC_TRY(dsc_exec_temp(x, in[0]->dtype, in[0]->rank, dim, &values, err));
    if (!places)
        DSC_TRY(dsc_exec_temp(x, DSC_I64, in[0]->rank, dim, &places, err));
    return dsc_top_k(x->dev, dsc_node_int(n, "largest", 1) != 0, k, dsc_axis_view(in[0], axis),
                     values, places, in[0], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_axis_view v = {1, dsc_tensor_n_elems(din[0]), 1};
    struct dsc_tensor *flat;

    if (!dout[0])
        return DSC_OK;
    if (!saved->out[1])
        return dsc_fail(err, DSC_E_UNSUPPORTED, "gradient of TopK without its Indices output");
    DSC_TRY(dsc_exec_temp(x, DSC_I64, dout[0]->rank, dout[0]->dim, &flat, err));
    DSC_TRY(dsc_index_elements(x->dev, din[0]->rank, din[0]->dim, axis_of(n, din[0]->rank), flat,
                               saved->out[1], err));
    return dsc_scatter(x->dev, DSC_SCATTER_ADD, v, din[0], flat, dout[0], err);
}

/* k was an attribute before opset 10. */
static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    const int64_t k = dsc_node_int(n, "k", 0);
    int id;

    if (opset >= 10 || !dsc_node_attr(n, "k"))
        return DSC_OK;
    DSC_TRY(dsc_upgrade_list(g, n, "k", &k, 1, &id, err));
    DSC_TRY(dsc_node_set_in(g, n, 1, id, err));
    dsc_node_drop_attr(n, "k");
    return DSC_OK;
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return dsc_node_attr(n, "largest") || dsc_node_attr(n, "sorted") ? 11 : 10;
}

const struct dsc_op dsc_op_topk = {
    .onnx = "TopK",
    .n_in = 2,
    .n_out = 2,
    .since = 10,
    .host_in = DSC_IN(1),
    .saves = DSC_OUT(1),
    .upgrade = upgrade,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .min_opset = min_opset,
};
