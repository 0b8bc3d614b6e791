/*
 * Attention maps, what Softmax gives: the mean over heads, queries and keys of (A_S - A_T)^2, or
 * the mean over heads and queries of KL(A_T || A_S) (Wang et al. 2020, arXiv:2002.10957, equation
 * 3). Padding is left out on both axes. Jiao et al. 2020 compare scores before Softmax instead.
 */
#include "train/terms_build.h"

#include <string.h>

/* Squares over the keys, by the weights of tokens: [B, H, T]. */
static enum dsc_status squares(struct dsc_graph *g, const struct dsc_dterm_args *a, int student,
                               int teacher, int *out, struct dsc_err *err)
{
    int square, keys;

    DSC_TRY(dsc_dterm_square_diff(g, student, teacher, &square, err));
    DSC_TRY(dsc_dterm_of_keys(g, a->tokens, &keys, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){square, keys}, &square, err));
    return dsc_dterm_reduce(g, "ReduceSum", square, -1, false, out, err);
}

static enum dsc_status build(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                             struct dsc_err *err)
{
    *loss = DSC_NO_VALUE;
    for (int i = 0; i < a->n_pairs; i++) {
        const struct dsc_dterm_pair *p = &a->pairs[i];
        const int s = p->student[DSC_TAP_PROBS].value, t = p->teacher[DSC_TAP_PROBS].value;
        int x;

        DSC_TRY(dsc_dterm_same_heads(a, p, DSC_TAP_PROBS, err));
        if (strcmp(a->loss, "kl") == 0) {
            DSC_TRY(dsc_dterm_maps_kl(g, a, s, t, &x, err));
        } else {
            DSC_TRY(squares(g, a, s, t, &x, err));
            DSC_TRY(dsc_dterm_over_queries(g, a, x, &x, err));
        }
        DSC_TRY(dsc_dterm_add(g, loss, x, err));
    }
    return DSC_OK;
}

const struct dsc_dterm dsc_dterm_attention = {
    .name = "attention",
    .taps = 1u << DSC_TAP_PROBS,
    .losses = "mse|kl",
    .map = DSC_LAYERS_UNIFORM,
    .has_tokens = true,
    .build = build,
};
