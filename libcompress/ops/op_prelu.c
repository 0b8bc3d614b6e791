/*
 * PRelu: y = x < 0 ? slope x : x; the slope broadcasts to x. ONNX PRelu-16. He et al. 2015,
 * arXiv:1502.01852.
 */
#include "ops/elementwise.h"

#include <inttypes.h>

/* Below opset 7 a slope [C] belongs to axis 1 of x; now it broadcasts from the last axis. */
static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    const struct dsc_value *slope = dsc_node_has_in(n, 1) ? &g->values[n->in[1]] : NULL;
    const int rank = g->values[n->in[0]].type.rank - 1;
    int64_t dim[DSC_MAX_RANK];
    struct dsc_tensor t;
    enum dsc_status st;

    if (opset >= 7 || !slope || slope->init.rank != 1 || dsc_tensor_n_elems(&slope->init) == 1 ||
        rank == 1)
        return DSC_OK;
    if (!dsc_tensor_is_present(&slope->init) || rank < 1)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "PRelu of opset %" PRId64 ", rank of x unknown",
                        opset);
    dim[0] = slope->init.dim[0];
    for (int i = 1; i < rank; i++)
        dim[i] = 1;
    DSC_TRY(dsc_tensor_reshape(&t, &slope->init, rank, dim, err));
    st = dsc_graph_set_init(g, n->in[1], &t, err);
    dsc_tensor_clear(&t);
    return st;
}

const struct dsc_op dsc_op_prelu = {
    .onnx = "PRelu",
    .n_in = 2,
    .n_out = 1,
    .since = 9,
    .saves = DSC_IN(0) | DSC_IN(1),
    .param_in = DSC_IN(1),
    .param_scalar_in = DSC_IN(1),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .fn = DSC_BINARY_prelu,
    .upgrade = upgrade,
    .infer = dsc_infer_broadcast,
    .forward = dsc_binary_forward,
    .backward = dsc_binary_backward,
};
