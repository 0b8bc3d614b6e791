/*
 * Distillation loss: T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over the batch.
 * Hinton et al. 2015, arXiv:1503.02531. KL = sum p (log p - log q); gradients reach the student.
 */
#include "train/loss_build.h"

static enum dsc_status build(struct dsc_graph *g, int output, int target,
                             const struct dsc_loss_args *args, int *loss, struct dsc_err *err)
{
    int t = args->temperature, t_squared, student, teacher, log_q, log_p, p, diff, terms, axis;
    int sums, mean;

    if (t == DSC_NO_VALUE)
        DSC_TRY(dsc_loss_const_like(g, output, 1, &t, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){t, t}, &t_squared, err));
    DSC_TRY(dsc_loss_call(g, "Div", 2, (int[]){output, t}, &student, err));
    DSC_TRY(dsc_loss_call(g, "Div", 2, (int[]){target, t}, &teacher, err));
    DSC_TRY(dsc_loss_call(g, "LogSoftmax", 1, (int[]){student}, &log_q, err));
    DSC_TRY(dsc_loss_call(g, "LogSoftmax", 1, (int[]){teacher}, &log_p, err));
    DSC_TRY(dsc_loss_call(g, "Exp", 1, (int[]){log_p}, &p, err));
    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){log_p, log_q}, &diff, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){p, diff}, &terms, err));
    DSC_TRY(dsc_loss_weigh(g, terms, args, &terms, err));
    DSC_TRY(dsc_loss_const_i64(g, -1, &axis, err));
    DSC_TRY(dsc_loss_call(g, "ReduceSum", 2, (int[]){terms, axis}, &sums, err));
    DSC_TRY(dsc_loss_mean(g, sums, &mean, err));
    return dsc_loss_call(g, "Mul", 2, (int[]){mean, t_squared}, loss, err);
}

const struct dsc_loss dsc_loss_kl = {
    .name = "kl",
    .target_dtype = DSC_F32,
    .is_target_ranked_like_output = true,
    .build = build,
};
