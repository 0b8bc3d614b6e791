/* Flatten: [d0 .. d(axis-1), rest] as a matrix. ONNX Flatten-21. */
#include "dsc/checked.h"
#include "dsc/op.h"

#include <inttypes.h>

/* Product of axes [first, last): DSC_DIM_UNKNOWN when one is; OVERFLOW when it does not fit. */
static enum dsc_status product(const struct dsc_type *t, int first, int last, int64_t *n,
                               struct dsc_err *err)
{
    *n = 1;
    for (int i = first; i < last; i++) {
        if (t->dim[i] < 0) {
            *n = last - first == 1 ? t->dim[i] : DSC_DIM_UNKNOWN;
            return DSC_OK;
        }
        if (!dsc_mul_i64(*n, t->dim[i], n))
            return dsc_fail(err, DSC_E_OVERFLOW, "the flattened size does not fit");
    }
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *in = &q->in[0];
    int64_t axis = dsc_node_int(q->node, "axis", 1);

    q->out[0].dtype = in->dtype;
    q->out[0].rank = 2;
    q->out[0].dim[0] = q->out[0].dim[1] = DSC_DIM_UNKNOWN;
    if (in->rank < 0)
        return DSC_OK;
    if (axis < -in->rank || axis > in->rank)
        return dsc_fail(err, DSC_E_RANGE, "axis %" PRId64 " of a tensor of rank %d", axis,
                        in->rank);
    axis += axis < 0 ? in->rank : 0;
    DSC_TRY(product(in, 0, (int)axis, &q->out[0].dim[0], err));
    return product(in, (int)axis, in->rank, &q->out[0].dim[1], err);
}

const struct dsc_op dsc_op_flatten = {
    .onnx = "Flatten",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .is_view = true,
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_RESHAPE,
    .infer = infer,
};
