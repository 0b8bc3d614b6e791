/* ConstantOfShape: a shape filled with one value (f32 0 without). ONNX ConstantOfShape-9. */
#include "device/prim.h"
#include "dsc/op.h"

#include <inttypes.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_attr *a = dsc_node_attr(q->node, "value");
    const struct dsc_tensor *shape = q->value[0];
    struct dsc_type *out = &q->out[0];

    if (a && (a->kind != DSC_ATTR_TENSOR || dsc_tensor_n_elems(&a->tensor) != 1))
        return dsc_fail(err, DSC_E_INCONSISTENT, "'value' is not one element");
    out->dtype = a ? a->tensor.dtype : DSC_F32;
    if (!shape) {
        if (q->in[0].rank == 1 && q->in[0].dim[0] >= 0 && q->in[0].dim[0] <= DSC_MAX_RANK) {
            out->rank = (int)q->in[0].dim[0];
            for (int i = 0; i < out->rank; i++)
                out->dim[i] = DSC_DIM_UNKNOWN;
        }
        return DSC_OK;
    }
    if (shape->rank != 1 || shape->dim[0] > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_SHAPE, "the shape input must be 1-D of at most %d sizes",
                        DSC_MAX_RANK);
    out->rank = (int)shape->dim[0];
    for (int i = 0; i < out->rank; i++) {
        out->dim[i] = dsc_tensor_get_i64(shape, i);
        if (out->dim[i] < 0)
            return dsc_fail(err, DSC_E_RANGE, "size %" PRId64 " at axis %d", out->dim[i], i);
    }
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_attr *a = dsc_node_attr(n, "value");
    const float zero = 0;

    return dsc_fill(x->dev, out[0], a ? a->tensor.data : &zero, err);
}

const struct dsc_op dsc_op_constantofshape = {
    .onnx = "ConstantOfShape",
    .n_in = 1,
    .n_out = 1,
    .since = 9,
    .host_in = DSC_IN(0),
    .infer = infer,
    .forward = forward,
};
