/* Add: y = a + b with broadcasting. ONNX Add-14. */
#include "device/prim.h"
#include "dsc/op.h"
#include "ops/upgrade.h"

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    return dsc_binary(x->dev, DSC_BINARY_add, out[0], in[0], in[1], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    for (int side = 0; side < 2; side++)
        if (din[side])
            DSC_TRY(
                dsc_binary_bwd(x->dev, DSC_BINARY_add, side, din[side], dout[0], NULL, NULL, err));
    return DSC_OK;
}

const struct dsc_op dsc_op_add = {
    .onnx = "Add",
    .n_in = 2,
    .n_out = 1,
    .since = 7,
    .param_in = DSC_IN(0) | DSC_IN(1),
    .is_rowwise = true,
    .prune = DSC_PRUNE_SAME_AXES,
    .upgrade = dsc_upgrade_broadcast,
    .infer = dsc_infer_broadcast,
    .forward = forward,
    .backward = backward,
};
