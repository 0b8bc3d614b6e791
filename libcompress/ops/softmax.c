/* Softmax and LogSoftmax along one axis, and the form of older opsets. */
#include "ops/softmax.h"

enum dsc_status dsc_softmax_upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                                    struct dsc_err *err)
{
    const int64_t axis = dsc_node_int(n, "axis", 1);
    const int rank = g->values[n->in[0]].type.rank;
    const int x = n->in[0], y = n->out[0];
    int shape, flat, normed;
    struct dsc_node *made;

    if (opset >= 13)
        return DSC_OK;
    if (axis == -1 || (rank >= 0 && axis == rank - 1))
        return dsc_node_set_int(g, n, "axis", -1, err);
    DSC_TRY(dsc_graph_call(g, "", "Shape", NULL, 1, &x, &shape, &made, err));
    DSC_TRY(dsc_graph_call(g, "", "Flatten", NULL, 1, &x, &flat, &made, err));
    DSC_TRY(dsc_node_set_int(g, made, "axis", axis, err));
    DSC_TRY(dsc_graph_value(g, NULL, NULL, &normed, err));
    n->in[0] = flat;
    n->out[0] = normed;
    DSC_TRY(dsc_graph_node(g, dsc_op_find("", "Reshape"), NULL, 2, (int[]){normed, shape}, 1, &y,
                           NULL, err));
    return dsc_node_set_int(g, n, "axis", -1, err);
}

enum dsc_status dsc_softmax_infer(struct dsc_infer *q, struct dsc_err *err)
{
    int axis;

    if (q->in[0].rank >= 0)
        DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", -1), q->in[0].rank, &axis, err));
    return dsc_infer_like_input(q, err);
}

static struct dsc_axis_view view_of(const struct dsc_node *n, const struct dsc_tensor *t)
{
    const int64_t axis = dsc_node_int(n, "axis", -1);

    return dsc_axis_view(t, (int)(axis < 0 ? axis + t->rank : axis));
}

enum dsc_status dsc_softmax_forward(struct dsc_exec *x, const struct dsc_node *n,
                                    const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                    struct dsc_err *err)
{
    return dsc_softmax(x->dev, n->op->fn, view_of(n, in[0]), out[0], in[0], err);
}

enum dsc_status dsc_softmax_backward(struct dsc_exec *x, const struct dsc_node *n,
                                     const struct dsc_saved *saved,
                                     const struct dsc_tensor *const *dout, struct dsc_tensor **din,
                                     struct dsc_err *err)
{
    return dsc_softmax_bwd(x->dev, n->op->fn, view_of(n, dout[0]), din[0], dout[0], saved->out[0],
                           err);
}
