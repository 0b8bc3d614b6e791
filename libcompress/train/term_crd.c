/*
 * Contrastive distillation of features: s and t are learned linear maps to 128 numbers, of length
 * 1. With h = e^(s t / tau) / (e^(s t / tau) + N / M), the mean over rows of -log h of a row's own
 * pair and of -sum log(1 - h) of its N pairs with the other rows of the batch; M rows in the
 * training data. Tian et al. 2019, arXiv:1910.10699, equations 17 to 19; its bank of negatives is
 * the batch here.
 */
#include "train/terms_build.h"

enum { WIDTH = 128 };

static enum dsc_status embed(struct dsc_graph *g, const struct dsc_dterm_args *a, const char *name,
                             const struct dsc_dterm_site *s, int *out, struct dsc_err *err)
{
    DSC_TRY(dsc_dterm_project(g, a, name, s->value, s->width, WIDTH, out, err));
    return dsc_dterm_normalize(g, a, *out, out, err);
}

/* log(N / M): [B, 1]; of a single row N counts as 1. */
static enum dsc_status log_odds(struct dsc_graph *g, const struct dsc_dterm_args *a, int *out,
                                struct dsc_err *err)
{
    int one, m;

    DSC_TRY(dsc_dterm_number(g, a, 1, &one, err));
    DSC_TRY(dsc_dterm_number(g, a, (double)a->n_rows, &m, err));
    DSC_TRY(dsc_dterm_reduce(g, "ReduceSum", a->others, 1, true, out, err));
    DSC_TRY(dsc_loss_call(g, "Max", 2, (int[]){*out, one}, out, err));
    DSC_TRY(dsc_loss_call(g, "Div", 2, (int[]){*out, m}, out, err));
    return dsc_loss_call(g, "Log", 1, (int[]){*out}, out, err);
}

static enum dsc_status build(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                             struct dsc_err *err)
{
    static const int64_t turn[] = {1, 0};
    int s, t, tau, odds, x, far, near, one, own;

    DSC_TRY(embed(g, a, "student", &a->pairs[0].student[DSC_TAP_FEATURES], &s, err));
    DSC_TRY(embed(g, a, "teacher", &a->pairs[0].teacher[DSC_TAP_FEATURES], &t, err));
    DSC_TRY(dsc_dterm_transpose(g, t, 2, turn, &t, err));
    DSC_TRY(dsc_loss_call(g, "MatMul", 2, (int[]){s, t}, &x, err));
    DSC_TRY(dsc_dterm_number(g, a, a->tau, &tau, err));
    DSC_TRY(dsc_loss_call(g, "Div", 2, (int[]){x, tau}, &x, err));
    DSC_TRY(log_odds(g, a, &odds, err));
    DSC_TRY(dsc_dterm_number(g, a, 1, &one, err));
    /* -log h = softplus(c - x), -log(1 - h) = softplus(x - c), c = log(N / M) */
    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){odds, x}, &near, err));
    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){x, odds}, &far, err));
    DSC_TRY(dsc_loss_call(g, "Softplus", 1, (int[]){near}, &near, err));
    DSC_TRY(dsc_loss_call(g, "Softplus", 1, (int[]){far}, &far, err));
    DSC_TRY(dsc_loss_call(g, "Sub", 2, (int[]){one, a->others}, &own, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){near, own}, &near, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){far, a->others}, &far, err));
    DSC_TRY(dsc_loss_call(g, "Add", 2, (int[]){near, far}, &x, err));
    DSC_TRY(dsc_dterm_reduce(g, "ReduceSum", x, 1, false, &x, err));
    return dsc_loss_mean(g, x, loss, err);
}

const struct dsc_dterm dsc_dterm_crd = {
    .name = "crd",
    .taps = 1u << DSC_TAP_FEATURES,
    .takes_tau = true,
    .tau = 0.07,
    .has_others = true,
    .build = build,
};
