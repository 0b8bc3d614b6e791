/* Mean squared error over all elements. */
#include "train/loss_build.h"

static enum dsc_status build(struct dsc_graph *g, int output, int target,
                             const struct dsc_loss_args *args, int *loss, struct dsc_err *err)
{
    int diff, square;

    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){output, target}, &diff, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){diff, diff}, &square, err));
    DSC_TRY(dsc_loss_weigh(g, square, args, &square, err));
    return dsc_loss_mean(g, square, loss, err);
}

const struct dsc_loss dsc_loss_mse = {
    .name = "mse",
    .target_dtype = DSC_F32,
    .is_target_ranked_like_output = true,
    .build = build,
};
