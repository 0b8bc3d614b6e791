/* Size: the number of elements. ONNX Size-13. */
#include "dsc/op.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    q->out[0] = (struct dsc_type){.dtype = DSC_I64};
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    *(int64_t *)out[0]->data = dsc_tensor_n_elems(in[0]);
    return DSC_OK;
}

const struct dsc_op dsc_op_size = {
    .onnx = "Size",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .shape_in = DSC_IN(0),
    .is_host = true,
    .infer = infer,
    .forward = forward,
};
