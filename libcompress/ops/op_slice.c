/* Slice: start, end and step along some axes; bounds are clamped. ONNX Slice-13. */
#include "device/prim.h"
#include "ops/upgrade.h"

#include <inttypes.h>

struct cut {
    int64_t start, step, n;
};

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* One axis as the standard says: negative bounds count from the end, then all are clamped. */
static struct cut cut_axis(int64_t start, int64_t end, int64_t step, int64_t dim)
{
    struct cut c = {.step = step == INT64_MIN ? -INT64_MAX : step};

    if (dim == 0)
        return (struct cut){.step = 1};
    start += start < 0 ? dim : 0;
    end += end < 0 ? dim : 0;
    if (step > 0) {
        c.start = clamp(start, 0, dim);
        end = clamp(end, 0, dim);
        c.n = end > c.start ? (end - c.start - 1) / c.step + 1 : 0;
    } else {
        c.start = clamp(start, 0, dim - 1);
        end = clamp(end, -1, dim - 1);
        c.n = c.start > end ? (c.start - end - 1) / -c.step + 1 : 0;
    }
    if (c.n == 0)
        c.start = 0;
    if (c.n < 2) /* never stepped: a huge step must not meet a stride */
        c.step = 1;
    return c;
}

/* starts, ends, axes, steps of inputs 1..4. `axes` and `steps` may be absent. */
static enum dsc_status read_cuts(const struct dsc_tensor *const *v, int n_v, int rank,
                                 const int64_t *dim, struct cut *cuts, struct dsc_err *err)
{
    const struct dsc_tensor *axes = n_v > 3 ? v[3] : NULL, *steps = n_v > 4 ? v[4] : NULL;
    const int64_t n = dsc_tensor_n_elems(v[1]);
    uint32_t seen = 0;

    for (int i = 0; i < rank; i++)
        cuts[i] = (struct cut){0, 1, dim[i]};
    if (dsc_tensor_n_elems(v[2]) != n || (axes && dsc_tensor_n_elems(axes) != n) ||
        (steps && dsc_tensor_n_elems(steps) != n) || (!axes && n > rank))
        return dsc_fail(err, DSC_E_SHAPE, "starts, ends, axes and steps differ in number");
    for (int64_t i = 0; i < n; i++) {
        const int64_t step = steps ? dsc_tensor_get_i64(steps, i) : 1;
        int axis;

        DSC_TRY(dsc_axis_check(axes ? dsc_tensor_get_i64(axes, i) : i, rank, &axis, err));
        if (step == 0)
            return dsc_fail(err, DSC_E_RANGE, "step 0 along axis %d", axis);
        if (seen >> axis & 1)
            return dsc_fail(err, DSC_E_DUP, "axis %d stands twice", axis);
        seen |= 1u << axis;
        if (dim[axis] < 0)
            cuts[axis].n = DSC_DIM_UNKNOWN;
        else
            cuts[axis] =
                cut_axis(dsc_tensor_get_i64(v[1], i), dsc_tensor_get_i64(v[2], i), step, dim[axis]);
    }
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *in = &q->in[0];
    struct cut cuts[DSC_MAX_RANK];
    bool is_known = true;

    q->out[0].dtype = in->dtype;
    if (in->rank < 0)
        return DSC_OK;
    q->out[0].rank = in->rank;
    for (int i = 1; i < q->n_in; i++)
        is_known = is_known && (q->value[i] || !dsc_node_has_in(q->node, i));
    if (is_known)
        DSC_TRY(read_cuts(q->value, q->n_in, in->rank, in->dim, cuts, err));
    for (int i = 0; i < in->rank; i++)
        q->out[0].dim[i] = is_known ? cuts[i].n : DSC_DIM_UNKNOWN;
    return DSC_OK;
}

/* Walks over the slice: y densely, x from the starts by steps. */
static void walks(int rank, const int64_t *x_dim, const int64_t *y_dim, const struct cut *cuts,
                  struct dsc_walk *yw, struct dsc_walk *xw)
{
    *yw = *xw = (struct dsc_walk){0};
    dsc_dense_strides(rank, y_dim, yw->stride);
    dsc_dense_strides(rank, x_dim, xw->stride);
    for (int i = 0; i < rank; i++) {
        xw->offset += cuts[i].start * xw->stride[i];
        xw->stride[i] *= cuts[i].step;
    }
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    struct cut cuts[DSC_MAX_RANK];
    struct dsc_walk yw, xw;

    DSC_TRY(read_cuts(in, n->n_in, in[0]->rank, in[0]->dim, cuts, err));
    walks(in[0]->rank, in[0]->dim, out[0]->dim, cuts, &yw, &xw);
    return dsc_copy(x->dev, out[0]->rank, out[0]->dim, out[0], &yw, in[0], &xw, err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_type *in = &saved->in_type[0];
    struct cut cuts[DSC_MAX_RANK];
    struct dsc_walk yw, xw;

    DSC_TRY(read_cuts(saved->in, n->n_in, in->rank, in->dim, cuts, err));
    walks(in->rank, in->dim, dout[0]->dim, cuts, &yw, &xw);
    return dsc_add_copy(x->dev, in->rank, dout[0]->dim, din[0], &xw, dout[0], &yw, err);
}

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    if (opset >= 10)
        return DSC_OK;
    DSC_TRY(dsc_upgrade_ints(g, n, "starts", 1, err));
    DSC_TRY(dsc_upgrade_ints(g, n, "ends", 2, err));
    return dsc_upgrade_ints(g, n, "axes", 3, err);
}

const struct dsc_op dsc_op_slice = {
    .onnx = "Slice",
    .n_in = 3,
    .n_in_optional = 2,
    .n_out = 1,
    .since = 10,
    .host_in = DSC_IN(1) | DSC_IN(2) | DSC_IN(3) | DSC_IN(4),
    .saves = DSC_IN(1) | DSC_IN(2) | DSC_IN(3) | DSC_IN(4),
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_SLICE,
    .upgrade = upgrade,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
