/* Mod: remainder with the sign of b, or of a with fmod = 1; broadcasting. ONNX Mod-13. */
#include "ops/elementwise.h"

static enum dsc_binary_fn fn_of(const struct dsc_node *n)
{
    return dsc_node_int(n, "fmod", 0) ? DSC_BINARY_fmod : DSC_BINARY_mod;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_binary(x->dev, fn_of(n), out[0], in[0], in[1], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    for (int side = 0; side < 2; side++)
        if (din[side])
            DSC_TRY(dsc_binary_bwd(x->dev, fn_of(n), side, din[side], dout[0], saved->in[0],
                                   saved->in[1], err));
    return DSC_OK;
}

const struct dsc_op dsc_op_mod = {
    .onnx = "Mod",
    .n_in = 2,
    .n_out = 1,
    .since = 10,
    .saves = DSC_IN(0) | DSC_IN(1),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .infer = dsc_infer_broadcast,
    .forward = forward,
    .backward = backward,
};
