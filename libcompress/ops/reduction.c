/* Inference, forward and backward of the Reduce operators. */
#include "ops/reduction.h"

#include "ops/upgrade.h"

enum dsc_status dsc_reduction_upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                                      struct dsc_err *err)
{
    return dsc_upgrade_ints(g, n, "axes", 1, err);
}

/* Bit k: axis k goes. axes NULL: none given. */
static enum dsc_status axes_mask(const struct dsc_node *n, int rank, const struct dsc_tensor *axes,
                                 uint32_t *mask, struct dsc_err *err)
{
    const int64_t n_axes = axes ? dsc_tensor_n_elems(axes) : 0;

    *mask = 0;
    if (n_axes == 0 && !dsc_node_int(n, "noop_with_empty_axes", 0))
        *mask = (1u << rank) - 1;
    for (int64_t i = 0; i < n_axes; i++) {
        int axis;

        DSC_TRY(dsc_axis_check(dsc_tensor_get_i64(axes, i), rank, &axis, err));
        *mask |= 1u << axis;
    }
    return DSC_OK;
}

enum dsc_status dsc_reduction_infer(struct dsc_infer *q, struct dsc_err *err)
{
    const bool has_axes = dsc_node_has_in(q->node, 1);
    const bool keeps = dsc_node_int(q->node, "keepdims", 1) != 0;
    struct dsc_type *y = &q->out[0];
    uint32_t mask;

    y->dtype = q->in[0].dtype;
    if (q->in[0].rank < 0)
        return DSC_OK;
    if (has_axes && !q->value[1]) {
        const int64_t n_axes = q->in[1].rank == 1 ? q->in[1].dim[0] : -1;

        if (keeps)
            y->rank = q->in[0].rank;
        else if (n_axes > 0 && n_axes <= q->in[0].rank)
            y->rank = q->in[0].rank - (int)n_axes;
        for (int i = 0; i < y->rank; i++)
            y->dim[i] = DSC_DIM_UNKNOWN;
        return DSC_OK;
    }
    DSC_TRY(axes_mask(q->node, q->in[0].rank, has_axes ? q->value[1] : NULL, &mask, err));
    y->rank = 0;
    for (int i = 0; i < q->in[0].rank; i++) {
        if (!(mask >> i & 1))
            y->dim[y->rank++] = q->in[0].dim[i];
        else if (keeps)
            y->dim[y->rank++] = 1;
    }
    return DSC_OK;
}

enum dsc_status dsc_reduction_forward(struct dsc_exec *x, const struct dsc_node *n,
                                      const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                      struct dsc_err *err)
{
    uint32_t mask;

    DSC_TRY(axes_mask(n, in[0]->rank, n->n_in > 1 ? in[1] : NULL, &mask, err));
    return dsc_reduce(x->dev, (enum dsc_reduce_fn)n->op->fn, mask, out[0], in[0], err);
}

enum dsc_status dsc_reduction_backward(struct dsc_exec *x, const struct dsc_node *n,
                                       const struct dsc_saved *saved,
                                       const struct dsc_tensor *const *dout,
                                       struct dsc_tensor **din, struct dsc_err *err)
{
    uint32_t mask;

    DSC_TRY(axes_mask(n, saved->in_type[0].rank, saved->in[1], &mask, err));
    return dsc_reduce_bwd(x->dev, (enum dsc_reduce_fn)n->op->fn, mask, din[0], dout[0],
                          saved->in[0], saved->out[0], err);
}

int64_t dsc_reduction_flops(const struct dsc_infer *q)
{
    int64_t n = 1;

    if (!dsc_type_is_known(&q->in[0]))
        return -1;
    for (int i = 0; i < q->in[0].rank; i++)
        n *= q->in[0].dim[i];
    return n;
}
