/*
 * Split: consecutive pieces of one axis, of the sizes in input 1, else n equal ones (the last may
 * be smaller). ONNX Split-18; `split` was an attribute before 13.
 */
#include "dsc/checked.h"
#include "ops/axis.h"
#include "ops/upgrade.h"

#include <inttypes.h>

/* Size of piece i when the axis is cut evenly. */
static int64_t even_size(int64_t dim, int n_pieces, int i)
{
    const int64_t chunk = dim / n_pieces + (dim % n_pieces != 0);
    const int64_t left = dim > chunk * i ? dim - chunk * i : 0;

    return left < chunk ? left : chunk;
}

static enum dsc_status check_sizes(const struct dsc_tensor *sizes, int n_out, int64_t dim,
                                   struct dsc_err *err)
{
    int64_t sum = 0;

    if (sizes->rank != 1 || sizes->dim[0] != n_out)
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " sizes for %d outputs",
                        dsc_tensor_n_elems(sizes), n_out);
    for (int i = 0; i < n_out; i++) {
        const int64_t v = dsc_tensor_get_i64(sizes, i);

        if (v < 0 || !dsc_add_i64(sum, v, &sum))
            return dsc_fail(err, DSC_E_RANGE, "size %" PRId64 " of piece %d", v, i);
    }
    if (dim >= 0 && sum != dim)
        return dsc_fail(err, DSC_E_SHAPE, "pieces of %" PRId64 " in all for an axis of %" PRId64,
                        sum, dim);
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const bool has_sizes = dsc_node_has_in(q->node, 1);
    const int64_t n_asked = dsc_node_int(q->node, "num_outputs", q->n_out);
    int axis;

    for (int i = 0; i < q->n_out; i++) {
        q->out[i] = q->in[0];
        if (q->in[0].rank < 0)
            continue;
        DSC_TRY(dsc_axis_check(dsc_node_int(q->node, "axis", 0), q->in[0].rank, &axis, err));
        q->out[i].dim[axis] = DSC_DIM_UNKNOWN;
    }
    if (q->in[0].rank < 0 || (has_sizes && !q->value[1]))
        return DSC_OK;
    if (has_sizes)
        DSC_TRY(check_sizes(q->value[1], q->n_out, q->in[0].dim[axis], err));
    else if (n_asked != q->n_out)
        return dsc_fail(err, DSC_E_INCONSISTENT, "num_outputs is %" PRId64 ", the node has %d",
                        n_asked, q->n_out);
    for (int i = 0; i < q->n_out; i++) {
        if (has_sizes)
            q->out[i].dim[axis] = dsc_tensor_get_i64(q->value[1], i);
        else if (q->in[0].dim[axis] >= 0)
            q->out[i].dim[axis] = even_size(q->in[0].dim[axis], q->n_out, i);
    }
    return DSC_OK;
}

/* Size of piece i: from the sizes, or even ones. */
static int64_t size_of(const struct dsc_node *n, const struct dsc_tensor *sizes, int64_t dim, int i)
{
    return sizes ? dsc_tensor_get_i64(sizes, i) : even_size(dim, n->n_out, i);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const int axis = dsc_node_axis(n, 0, in[0]->rank);
    const struct dsc_tensor *sizes = n->n_in > 1 ? in[1] : NULL;
    int64_t first = 0;

    for (int i = 0; i < n->n_out; i++) {
        const struct dsc_walk xw = dsc_walk_from(in[0], axis, first);

        if (out[i]) {
            const struct dsc_walk yw = dsc_walk_from(out[i], axis, 0);

            DSC_TRY(dsc_copy(x->dev, out[i]->rank, out[i]->dim, out[i], &yw, in[0], &xw, err));
        }
        first += size_of(n, sizes, in[0]->dim[axis], i);
    }
    return DSC_OK;
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const int axis = dsc_node_axis(n, 0, din[0]->rank);
    int64_t first = 0;

    for (int i = 0; i < n->n_out; i++) {
        const struct dsc_walk xw = dsc_walk_from(din[0], axis, first);

        if (dout[i]) {
            const struct dsc_walk yw = dsc_walk_from(dout[i], axis, 0);

            DSC_TRY(
                dsc_add_copy(x->dev, dout[i]->rank, dout[i]->dim, din[0], &xw, dout[i], &yw, err));
        }
        first += size_of(n, n->n_in > 1 ? saved->in[1] : NULL, din[0]->dim[axis], i);
    }
    return DSC_OK;
}

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    return opset < 13 ? dsc_upgrade_ints(g, n, "split", 1, err) : DSC_OK;
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return dsc_node_attr(n, "num_outputs") ? 18 : 13;
}

const struct dsc_op dsc_op_split = {
    .onnx = "Split",
    .n_in = 1,
    .n_in_optional = 1,
    .n_out = 1,
    .is_variadic_out = true,
    .since = 13,
    .host_in = DSC_IN(1),
    .saves = DSC_IN(1),
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_SPLIT,
    .upgrade = upgrade,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .min_opset = min_opset,
};
