/* NonZero: indices of the elements that are not zero, [rank, n]. ONNX NonZero-13. */
#include "dsc/op.h"

/* The number of columns is known only from the data, which the host reads. */
static int64_t count_nonzero(const struct dsc_tensor *t)
{
    const int64_t n = dsc_tensor_n_elems(t);
    int64_t n_found = 0;

    for (int64_t i = 0; i < n; i++)
        n_found += dsc_tensor_get_f64(t, i) != 0;
    return n_found;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    q->out[0] = (struct dsc_type){.dtype = DSC_I64, .rank = 2};
    /* A scalar counts as one axis, as NumPy's atleast_1d makes it. */
    q->out[0].dim[0] = q->in[0].rank < 0 ? DSC_DIM_UNKNOWN : q->in[0].rank == 0 ? 1 : q->in[0].rank;
    q->out[0].dim[1] = q->value[0] ? count_nonzero(q->value[0]) : DSC_DIM_UNKNOWN;
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const int64_t n_elems = dsc_tensor_n_elems(in[0]), n_found = out[0]->dim[1];
    int64_t *idx = out[0]->data, column = 0;

    for (int64_t i = 0; i < n_elems; i++) {
        int64_t rest = i;

        if (dsc_tensor_get_f64(in[0], i) == 0)
            continue;
        if (in[0]->rank == 0)
            idx[column] = 0;
        for (int axis = in[0]->rank - 1; axis >= 0; axis--) {
            idx[axis * n_found + column] = rest % in[0]->dim[axis];
            rest /= in[0]->dim[axis];
        }
        column++;
    }
    return DSC_OK;
}

const struct dsc_op dsc_op_nonzero = {
    .onnx = "NonZero",
    .n_in = 1,
    .n_out = 1,
    .since = 9,
    .host_in = DSC_IN(0),
    .is_host = true,
    .infer = infer,
    .forward = forward,
};
