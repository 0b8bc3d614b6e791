/* Transpose: axes in the order of `perm`, reversed without it. ONNX Transpose-13. */
#include "device/prim.h"
#include "dsc/op.h"

#include <inttypes.h>

/* perm[i]: the input's axis that becomes axis i. */
static enum dsc_status read_perm(const struct dsc_node *n, int rank, int *perm, struct dsc_err *err)
{
    const int64_t *v;
    const int n_v = dsc_node_ints(n, "perm", &v);
    uint32_t seen = 0;

    for (int i = 0; i < rank; i++)
        perm[i] = rank - 1 - i;
    if (n_v < 0)
        return DSC_OK;
    if (n_v != rank)
        return dsc_fail(err, DSC_E_SHAPE, "perm has %d axes, the input %d", n_v, rank);
    for (int i = 0; i < rank; i++) {
        if (v[i] < 0 || v[i] >= rank || seen >> v[i] & 1)
            return dsc_fail(err, DSC_E_RANGE, "perm is no permutation: axis %" PRId64, v[i]);
        seen |= 1u << v[i];
        perm[i] = (int)v[i];
    }
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    int perm[DSC_MAX_RANK];

    q->out[0].dtype = q->in[0].dtype;
    if (q->in[0].rank < 0)
        return DSC_OK;
    DSC_TRY(read_perm(q->node, q->in[0].rank, perm, err));
    q->out[0].rank = q->in[0].rank;
    for (int i = 0; i < q->in[0].rank; i++)
        q->out[0].dim[i] = q->in[0].dim[perm[i]];
    return DSC_OK;
}

/* Walks over the output's axes: y densely, x by its permuted strides. */
static enum dsc_status walks(const struct dsc_node *n, int rank, const int64_t *x_dim,
                             const int64_t *y_dim, struct dsc_walk *yw, struct dsc_walk *xw,
                             struct dsc_err *err)
{
    int64_t stride[DSC_MAX_RANK];
    int perm[DSC_MAX_RANK];

    *yw = *xw = (struct dsc_walk){0};
    DSC_TRY(read_perm(n, rank, perm, err));
    dsc_dense_strides(rank, x_dim, stride);
    dsc_dense_strides(rank, y_dim, yw->stride);
    for (int i = 0; i < rank; i++)
        xw->stride[i] = stride[perm[i]];
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    struct dsc_walk yw, xw;

    DSC_TRY(walks(n, in[0]->rank, in[0]->dim, out[0]->dim, &yw, &xw, err));
    return dsc_copy(x->dev, out[0]->rank, out[0]->dim, out[0], &yw, in[0], &xw, err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    struct dsc_walk yw, xw;

    DSC_TRY(walks(n, din[0]->rank, din[0]->dim, dout[0]->dim, &yw, &xw, err));
    return dsc_add_copy(x->dev, dout[0]->rank, dout[0]->dim, din[0], &xw, dout[0], &yw, err);
}

const struct dsc_op dsc_op_transpose = {
    .onnx = "Transpose",
    .n_in = 1,
    .n_out = 1,
    .since = 1,
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_TRANSPOSE,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
