/*
 * Distillation: what a student learns from a teacher, beside the labels.
 *
 * The loss is part of the student's graph, as in training; what the teacher says comes in by
 * inputs that are added to it. Numbers that change while training runs are inputs, too.
 */
#ifndef DSC_DISTILL_H
#define DSC_DISTILL_H

#include "dsc/train.h"

/** Values at evenly spaced points of a run, straight lines between them; n 1: a constant. */
enum { DSC_RAMP_POINTS_MAX = 8 };
struct dsc_ramp {
    int n;
    double v[DSC_RAMP_POINTS_MAX];
};

/** "3", "8:1" from 8 in the first step to 1 in the last, "1:1:0"; false: it is something else. */
bool dsc_ramp_parse(const char *text, struct dsc_ramp *r);
/** The value in step t, 0-based, of n_steps. */
double dsc_ramp_at(const struct dsc_ramp *r, uint64_t t, uint64_t n_steps);

/**
 * alpha * soft + (1 - alpha) * hard, soft being kl at `temperature` on the teacher's logits (Hinton
 * et al. 2015, arXiv:1503.02531), or mse on its outputs where `hard` is mse. Logits [B, 1] of two
 * classes (bce) count as [0, logit]: the teacher's are then [B, 2].
 *
 * alpha       0 to 1
 * temperature > 0
 * is_masked   some rows have no target: `hard` of them counts as 0. The mean is over all rows
 *
 * The rest is filled by dsc_distill_attach: places among the graph's inputs, -1: there is none.
 *
 * target      as of dsc_loss_attach
 * teacher     the teacher's outputs
 * labelled    [B, 1], [B] with outputs of rank 1: 1 where a row has a target, else 0
 * ramps       scalars, by dsc_ramp_at
 */
struct dsc_distill_ramp {
    const struct dsc_ramp *ramp;
    int input;
};

enum { DSC_DISTILL_RAMPS_MAX = 18 };
struct dsc_distill {
    struct dsc_ramp alpha, temperature;
    bool is_masked;
    int target, teacher, labelled, n_ramps;
    struct dsc_distill_ramp ramps[DSC_DISTILL_RAMPS_MAX];
};

/** As dsc_loss_attach, with a teacher. `d` outlives the use of its ramps. */
enum dsc_status dsc_distill_attach(struct dsc_graph *g, int output, const struct dsc_loss *hard,
                                   const char *target_name, struct dsc_distill *d, int *loss_output,
                                   struct dsc_err *err);

#endif
