/*
 * Gelu: y = x Phi(x), exact or by tanh (`approximate`). ONNX Gelu-20.
 * Hendrycks and Gimpel 2016, arXiv:1606.08415.
 */
#include "ops/elementwise.h"

#include <string.h>

static enum dsc_map_fn fn_of(const struct dsc_node *n)
{
    return strcmp(dsc_node_string(n, "approximate", "none"), "tanh") == 0 ? DSC_MAP_gelu_tanh
                                                                          : DSC_MAP_gelu;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const char *kind = dsc_node_string(q->node, "approximate", "none");

    if (strcmp(kind, "none") != 0 && strcmp(kind, "tanh") != 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "approximate \"%s\"", kind);
    return dsc_infer_like_input(q, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_map(x->dev, fn_of(n), (struct dsc_map_param){0}, out[0], in[0], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    return dsc_map_bwd(x->dev, fn_of(n), (struct dsc_map_param){0}, din[0], dout[0], saved->in[0],
                       NULL, err);
}

const struct dsc_op dsc_op_gelu = {
    .onnx = "Gelu",
    .n_in = 1,
    .n_out = 1,
    .since = 20,
    .saves = DSC_IN(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
