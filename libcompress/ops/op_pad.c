/*
 * Pad: constant, reflect, edge or wrap; negative pads cut. ONNX Pad-21. A constant is a fill and a
 * copy; the other modes take rows by an index, one axis after another, and their gradients are the
 * adjoint scatters in the opposite order.
 */
#include "dsc/checked.h"
#include "ops/pad.h"
#include "ops/upgrade.h"

#include <inttypes.h>
#include <string.h>

static bool is_constant(const struct dsc_node *n)
{
    return strcmp(dsc_node_string(n, "mode", "constant"), "constant") == 0;
}

static enum dsc_status check_mode(const struct dsc_node *n, struct dsc_err *err)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    const char *mode = dsc_node_string(n, "mode", "constant");

    for (int i = 0; i < 4; i++)
        if (strcmp(mode, modes[i]) == 0)
            return DSC_OK;
    return dsc_fail(err, DSC_E_UNSUPPORTED, "mode '%s'", mode);
}

static enum dsc_status check_value(const struct dsc_infer *q, struct dsc_err *err)
{
    if (q->n_in <= 2 || !q->value[2])
        return DSC_OK;
    if (dsc_tensor_n_elems(q->value[2]) != 1)
        return dsc_fail(err, DSC_E_SHAPE, "constant_value is not one element");
    if (q->in[0].dtype && q->value[2]->dtype != q->in[0].dtype)
        return dsc_fail(err, DSC_E_TYPE, "constant_value is %s, data are %s",
                        dsc_dtype_text(q->value[2]->dtype), dsc_dtype_text(q->in[0].dtype));
    return DSC_OK;
}

static enum dsc_status pad_axis(const struct dsc_node *n, const struct dsc_pads *p, int i,
                                int64_t *dim, struct dsc_err *err)
{
    const int64_t size = *dim;

    if (p->before[i] < -DSC_PAD_MAX || p->before[i] > DSC_PAD_MAX || p->after[i] < -DSC_PAD_MAX ||
        p->after[i] > DSC_PAD_MAX || !dsc_add_i64(size, p->before[i], dim) ||
        !dsc_add_i64(*dim, p->after[i], dim))
        return dsc_fail(err, DSC_E_OVERFLOW, "pads %" PRId64 " and %" PRId64 " at axis %d",
                        p->before[i], p->after[i], i);
    if (*dim < 0 || (size == 0 && *dim > 0 && !is_constant(n)))
        return dsc_fail(err, DSC_E_SHAPE,
                        "pads %" PRId64 " and %" PRId64 " of %" PRId64 " elements at axis %d",
                        p->before[i], p->after[i], size, i);
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_type *out = &q->out[0];
    struct dsc_pads p;

    *out = q->in[0];
    DSC_TRY(check_mode(q->node, err));
    DSC_TRY(check_value(q, err));
    if (out->rank < 0)
        return DSC_OK;
    if (!q->value[1] || (dsc_node_has_in(q->node, 3) && !q->value[3])) {
        for (int i = 0; i < out->rank; i++)
            out->dim[i] = DSC_DIM_UNKNOWN;
        return DSC_OK;
    }
    DSC_TRY(dsc_pads_read(q->value, q->n_in, out->rank, &p, err));
    for (int i = 0; i < out->rank; i++) {
        if (p.before[i] == 0 && p.after[i] == 0)
            continue;
        if (out->dim[i] < 0)
            out->dim[i] = DSC_DIM_UNKNOWN;
        else
            DSC_TRY(pad_axis(q->node, &p, i, &out->dim[i], err));
    }
    return DSC_OK;
}

/* The part of the input that the output shows, as walks over both. */
static void shown_part(const struct dsc_pads *p, int rank, const int64_t *x_dim,
                       const int64_t *y_dim, int64_t *dim, struct dsc_walk *xw, struct dsc_walk *yw)
{
    *xw = *yw = (struct dsc_walk){0};
    dsc_dense_strides(rank, x_dim, xw->stride);
    dsc_dense_strides(rank, y_dim, yw->stride);
    for (int i = 0; i < rank; i++) {
        const int64_t cut = p->before[i] < 0 ? -p->before[i] : 0;
        const int64_t at = p->before[i] > 0 ? p->before[i] : 0;
        const int64_t left = x_dim[i] - cut, room = y_dim[i] - at;

        dim[i] = left < room ? left : room;
        dim[i] = dim[i] < 0 ? 0 : dim[i];
        xw->offset += dim[i] ? cut * xw->stride[i] : 0;
        yw->offset += dim[i] ? at * yw->stride[i] : 0;
    }
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const uint64_t zero = 0;
    struct dsc_walk xw, yw;
    int64_t dim[DSC_MAX_RANK];
    struct dsc_pads p;

    DSC_TRY(dsc_pads_read(in, n->n_in, in[0]->rank, &p, err));
    if (!is_constant(n))
        return dsc_pad_by_index(x, dsc_node_string(n, "mode", ""), &p, out[0], in[0], err);
    shown_part(&p, in[0]->rank, in[0]->dim, out[0]->dim, dim, &xw, &yw);
    DSC_TRY(dsc_fill(x->dev, out[0], n->n_in > 2 && in[2] ? in[2]->data : &zero, err));
    return dsc_copy(x->dev, in[0]->rank, dim, out[0], &yw, in[0], &xw, err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_type *in = &saved->in_type[0];
    struct dsc_walk xw, yw;
    int64_t dim[DSC_MAX_RANK];
    struct dsc_pads p;

    DSC_TRY(dsc_pads_read(saved->in, n->n_in, in->rank, &p, err));
    if (!is_constant(n))
        return dsc_unpad_by_index(x, dsc_node_string(n, "mode", ""), &p, din[0], dout[0], err);
    shown_part(&p, in->rank, in->dim, dout[0]->dim, dim, &xw, &yw);
    return dsc_add_copy(x->dev, in->rank, dim, din[0], &xw, dout[0], &yw, err);
}

/* pads and value were attributes before opset 11. */
static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    const enum dsc_dtype declared = g->values[n->in[0]].type.dtype;

    if (opset >= 11)
        return DSC_OK;
    DSC_TRY(dsc_upgrade_ints(g, n, "pads", 1, err));
    return dsc_upgrade_float(g, n, "value", dsc_dtype_is_float(declared) ? declared : DSC_F32, 2,
                             err);
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return strcmp(dsc_node_string(n, "mode", ""), "wrap") == 0 ? 19
           : dsc_node_has_in(n, 3)                             ? 18
                                                               : 11;
}

const struct dsc_op dsc_op_pad = {
    .onnx = "Pad",
    .n_in = 2,
    .n_in_optional = 2,
    .n_out = 1,
    .since = 11,
    .host_in = DSC_IN(1) | DSC_IN(2) | DSC_IN(3),
    .prune = DSC_PRUNE_PAD,
    .saves = DSC_IN(1) | DSC_IN(3),
    .upgrade = upgrade,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .min_opset = min_opset,
};
