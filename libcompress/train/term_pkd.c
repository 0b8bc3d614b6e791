/*
 * Patient distillation: |h_S / |h_S| - h_T / |h_T||^2 of the first token ([CLS]), the mean over
 * rows. Sun et al. 2019, arXiv:1908.09355, equation 7. The last layer is left out, as there; a
 * learned W before the norm where widths differ.
 */
#include "train/terms_build.h"

static enum dsc_status first_token(struct dsc_graph *g, int x, int *out, struct dsc_err *err)
{
    struct dsc_node *n;
    int zero;

    DSC_TRY(dsc_loss_const(g, DSC_I64, 0, 0, &zero, err));
    DSC_TRY(dsc_graph_call(g, "", "Gather", NULL, 2, (int[]){x, zero}, out, &n, err));
    return dsc_node_set_int(g, n, "axis", 1, err);
}

static enum dsc_status build(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                             struct dsc_err *err)
{
    *loss = DSC_NO_VALUE;
    for (int i = 0; i < a->n_pairs; i++) {
        struct dsc_dterm_pair p = a->pairs[i];
        struct dsc_dterm_site *s = &p.student[DSC_TAP_HIDDEN], *t = &p.teacher[DSC_TAP_HIDDEN];
        int x, y;

        DSC_TRY(first_token(g, s->value, &s->value, err));
        DSC_TRY(first_token(g, t->value, &t->value, err));
        DSC_TRY(dsc_dterm_fit(g, a, &p, DSC_TAP_HIDDEN, &x, err));
        DSC_TRY(dsc_dterm_normalize(g, a, x, &x, err));
        DSC_TRY(dsc_dterm_normalize(g, a, t->value, &y, err));
        DSC_TRY(dsc_dterm_square_diff(g, x, y, &x, err));
        DSC_TRY(dsc_dterm_reduce(g, "ReduceSum", x, -1, false, &x, err));
        DSC_TRY(dsc_loss_mean(g, x, &x, err));
        DSC_TRY(dsc_dterm_add(g, loss, x, err));
    }
    return DSC_OK;
}

const struct dsc_dterm dsc_dterm_pkd = {
    .name = "pkd",
    .taps = 1u << DSC_TAP_HIDDEN,
    .map = DSC_LAYERS_UNIFORM,
    .skips_last = true,
    .has_tokens = true, /* for sizes */
    .is_of_first_token = true,
    .build = build,
};
