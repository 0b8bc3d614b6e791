/* Cross entropy: mean over the batch of -log softmax(logits)[target]. */
#include "train/loss_build.h"

static enum dsc_status build(struct dsc_graph *g, int output, int target,
                             const struct dsc_loss_args *args, int *loss, struct dsc_err *err)
{
    int log_p, column, picked, mean;

    DSC_TRY(dsc_loss_call(g, "LogSoftmax", 1, (int[]){output}, &log_p, err));
    DSC_TRY(dsc_loss_const_i64(g, -1, &column, err));
    DSC_TRY(dsc_loss_call(g, "Unsqueeze", 2, (int[]){target, column}, &column, err));
    DSC_TRY(dsc_loss_pick(g, log_p, column, &picked, err));
    DSC_TRY(dsc_loss_weigh(g, picked, args, &picked, err));
    DSC_TRY(dsc_loss_mean(g, picked, &mean, err));
    return dsc_loss_call(g, "Neg", 1, (int[]){mean}, loss, err);
}

const struct dsc_loss dsc_loss_cross_entropy = {
    .name = "cross-entropy",
    .target_dtype = DSC_I64,
    .build = build,
};
