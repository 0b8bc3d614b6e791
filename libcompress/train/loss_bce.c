/* Binary cross entropy with logits: mean of softplus(x) - x * target (stable for any x). */
#include "train/loss_build.h"

static enum dsc_status build(struct dsc_graph *g, int output, int target,
                             const struct dsc_loss_args *args, int *loss, struct dsc_err *err)
{
    int soft, product, diff;

    DSC_TRY(dsc_loss_call(g, "Softplus", 1, (int[]){output}, &soft, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){output, target}, &product, err));
    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){soft, product}, &diff, err));
    DSC_TRY(dsc_loss_weigh(g, diff, args, &diff, err));
    return dsc_loss_mean(g, diff, loss, err);
}

const struct dsc_loss dsc_loss_bce = {
    .name = "bce",
    .target_dtype = DSC_F32,
    .is_target_ranked_like_output = true,
    .build = build,
};
