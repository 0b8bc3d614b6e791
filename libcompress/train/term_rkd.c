/*
 * Relational distillation of the features of a batch: distances of all pairs over their mean, and
 * cosines of the angles at all triples, by smooth L1; the distance once and the angle twice, as in
 * the paper's metric learning. Park et al. 2019, arXiv:1904.05068. The means are over all B^2 and
 * B^3, as in its code.
 */
#include "train/terms_build.h"

#include <string.h>

/* x_j - x_i of all pairs: [B, B, D] */
static enum dsc_status differences(struct dsc_graph *g, int x, int *out, struct dsc_err *err)
{
    int axis0, axis1, rows, cols;

    DSC_TRY(dsc_loss_const_i64(g, 0, &axis0, err));
    DSC_TRY(dsc_loss_const_i64(g, 1, &axis1, err));
    DSC_TRY(dsc_loss_call(g, "Unsqueeze", 2, (int[]){x, axis0}, &rows, err));
    DSC_TRY(dsc_loss_call(g, "Unsqueeze", 2, (int[]){x, axis1}, &cols, err));
    return dsc_loss_call(g, "Sub", 2, (int[]){rows, cols}, out, err);
}

/* Distances over their mean; the diagonal, where the root has no slope, is left out. */
static enum dsc_status distances(struct dsc_graph *g, const struct dsc_dterm_args *a, int diff,
                                 int *out, struct dsc_err *err)
{
    int square, least, d, sum, n;

    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){diff, diff}, &square, err));
    DSC_TRY(dsc_dterm_reduce(g, "ReduceSum", square, -1, false, &square, err));
    DSC_TRY(dsc_dterm_number(g, a, 1e-12, &least, err));
    DSC_TRY(dsc_loss_call(g, "Max", 2, (int[]){square, least}, &square, err));
    DSC_TRY(dsc_loss_call(g, "Sqrt", 1, &square, &d, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){d, a->others}, &d, err));
    DSC_TRY(dsc_loss_mean(g, d, &sum, err));
    DSC_TRY(dsc_loss_mean(g, a->others, &n, err)); /* of a single row both are 0 */
    DSC_TRY(dsc_loss_call(g, "Max", 2, (int[]){n, least}, &n, err));
    DSC_TRY(dsc_loss_call(g, "Div", 2, (int[]){sum, n}, &sum, err));
    DSC_TRY(dsc_loss_call(g, "Max", 2, (int[]){sum, least}, &sum, err));
    return dsc_loss_call(g, "Div", 2, (int[]){d, sum}, out, err);
}

/* Cosines at i between j and k: [B, B, B] */
static enum dsc_status angles(struct dsc_graph *g, const struct dsc_dterm_args *a, int diff,
                              int *out, struct dsc_err *err)
{
    static const int64_t turn[] = {0, 2, 1};
    int unit, turned;

    DSC_TRY(dsc_dterm_normalize(g, a, diff, &unit, err));
    DSC_TRY(dsc_dterm_transpose(g, unit, 3, turn, &turned, err));
    return dsc_loss_call(g, "MatMul", 2, (int[]){unit, turned}, out, err);
}

static enum dsc_status build(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                             struct dsc_err *err)
{
    static const struct {
        const char *word;
        double weight;
        enum dsc_status (*of)(struct dsc_graph *g, const struct dsc_dterm_args *a, int diff,
                              int *out, struct dsc_err *err);
    } parts[] = {{"distance", 1, distances}, {"angle", 2, angles}};
    const bool has_both = strcmp(a->loss, "both") == 0;
    int diff[2];

    *loss = DSC_NO_VALUE;
    DSC_TRY(differences(g, a->pairs[0].student[DSC_TAP_FEATURES].value, &diff[0], err));
    DSC_TRY(differences(g, a->pairs[0].teacher[DSC_TAP_FEATURES].value, &diff[1], err));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int x, y, weight;

        if (!has_both && strcmp(a->loss, parts[i].word) != 0)
            continue;
        DSC_TRY(parts[i].of(g, a, diff[0], &x, err));
        DSC_TRY(parts[i].of(g, a, diff[1], &y, err));
        DSC_TRY(dsc_dterm_smooth_l1(g, a, x, y, &x, err));
        DSC_TRY(dsc_dterm_number(g, a, has_both ? parts[i].weight : 1, &weight, err));
        DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){x, weight}, &x, err));
        DSC_TRY(dsc_dterm_add(g, loss, x, err));
    }
    return DSC_OK;
}

const struct dsc_dterm dsc_dterm_rkd = {
    .name = "rkd",
    .taps = 1u << DSC_TAP_FEATURES,
    .losses = "both|distance|angle",
    .has_others = true,
    .build = build,
};
