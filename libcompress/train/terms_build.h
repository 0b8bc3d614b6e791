/* Nodes that terms share. Values by number; results through the last int pointer. */
#ifndef DSC_TERMS_BUILD_H
#define DSC_TERMS_BUILD_H

#include "dsc/distill.h"
#include "train/loss_build.h"

enum dsc_status dsc_dterm_number(struct dsc_graph *g, const struct dsc_dterm_args *a, double v,
                                 int *out, struct dsc_err *err);
enum dsc_status dsc_dterm_reduce(struct dsc_graph *g, const char *op, int x, int axis, bool keeps,
                                 int *out, struct dsc_err *err);
enum dsc_status dsc_dterm_transpose(struct dsc_graph *g, int x, int n, const int64_t *perm,
                                    int *out, struct dsc_err *err);
/** (a - b)^2 */
enum dsc_status dsc_dterm_square_diff(struct dsc_graph *g, int a, int b, int *out,
                                      struct dsc_err *err);
/** x / max(|x|, 1e-12) along the last axis. */
enum dsc_status dsc_dterm_normalize(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                    int *out, struct dsc_err *err);
/** x W with a learned W [from, to], N(0, 1 / from), one of a name. */
enum dsc_status dsc_dterm_project(struct dsc_graph *g, const struct dsc_dterm_args *a,
                                  const char *name, int x, int64_t from, int64_t to, int *out,
                                  struct dsc_err *err);
/** The student's site in the teacher's width: projected where they differ, one W for all pairs. */
enum dsc_status dsc_dterm_fit(struct dsc_graph *g, const struct dsc_dterm_args *a,
                              const struct dsc_dterm_pair *p, enum dsc_tap tap, int *out,
                              struct dsc_err *err);
/** Of x [B, T]: the mean over rows of the sum over tokens, by their weights. */
enum dsc_status dsc_dterm_over_tokens(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                      int *out, struct dsc_err *err);
/** Of x [B, H, T]: likewise, the mean over H. */
enum dsc_status dsc_dterm_over_queries(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                       int *out, struct dsc_err *err);
/** x [B, T], a value of each token, as one of each key of attention maps: [B, 1, 1, T]. */
enum dsc_status dsc_dterm_of_keys(struct dsc_graph *g, int x, int *out, struct dsc_err *err);
/** sum = 0, and then sum + x. */
enum dsc_status dsc_dterm_add(struct dsc_graph *g, int *sum, int x, struct dsc_err *err);
/** The states of two layers [B, T, D], over tokens: a->loss "mse" or "cosine". */
enum dsc_status dsc_dterm_states(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                                 struct dsc_err *err);
/**
 * Relations of what has heads: softmax(x x^T / sqrt(d)) over the tokens that are compared, x
 * [B, H, T, d] of both; KL(teacher || student), the mean over heads and tokens.
 */
enum dsc_status dsc_dterm_relate(struct dsc_graph *g, const struct dsc_dterm_args *a, int student,
                                 int64_t d_student, int teacher, int64_t d_teacher, int *loss,
                                 struct dsc_err *err);
/** KL of attention maps [B, H, T, T], the teacher's first. */
enum dsc_status dsc_dterm_maps_kl(struct dsc_graph *g, const struct dsc_dterm_args *a, int student,
                                  int teacher, int *loss, struct dsc_err *err);
/** INCONSISTENT where the heads of a pair are not as many. */
enum dsc_status dsc_dterm_same_heads(const struct dsc_dterm_args *a, const struct dsc_dterm_pair *p,
                                     enum dsc_tap tap, struct dsc_err *err);
/** Mean of smooth L1 (Huber, delta 1) of a - b. */
enum dsc_status dsc_dterm_smooth_l1(struct dsc_graph *g, const struct dsc_dterm_args *a, int x,
                                    int y, int *out, struct dsc_err *err);

#endif
