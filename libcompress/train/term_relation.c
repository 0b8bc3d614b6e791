/*
 * MiniLM: KL(A_T || A_S) of attention maps and KL(R_T || R_S) of value relations R =
 * softmax(V V^T / sqrt(d)), each the mean over heads and tokens, of the last layer. Wang et al.
 * 2020, arXiv:2002.10957. As many heads in both; their sizes may differ.
 */
#include "train/terms_build.h"

static enum dsc_status build(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                             struct dsc_err *err)
{
    *loss = DSC_NO_VALUE;
    for (int i = 0; i < a->n_pairs; i++) {
        const struct dsc_dterm_site *s = a->pairs[i].student, *t = a->pairs[i].teacher;
        int maps, values;

        DSC_TRY(dsc_dterm_same_heads(a, &a->pairs[i], DSC_TAP_PROBS, err));
        DSC_TRY(
            dsc_dterm_maps_kl(g, a, s[DSC_TAP_PROBS].value, t[DSC_TAP_PROBS].value, &maps, err));
        DSC_TRY(dsc_dterm_relate(g, a, s[DSC_TAP_VALUE].value, s[DSC_TAP_VALUE].width,
                                 t[DSC_TAP_VALUE].value, t[DSC_TAP_VALUE].width, &values, err));
        DSC_TRY(dsc_dterm_add(g, loss, maps, err));
        DSC_TRY(dsc_dterm_add(g, loss, values, err));
    }
    return DSC_OK;
}

const struct dsc_dterm dsc_dterm_relation = {
    .name = "relation",
    .taps = 1u << DSC_TAP_PROBS | 1u << DSC_TAP_VALUE,
    .map = DSC_LAYERS_TOP,
    .has_tokens = true,
    .build = build,
};
