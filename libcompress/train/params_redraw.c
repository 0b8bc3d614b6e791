/* Weights as a model has them before it has learned anything. */
#include "dsc/op.h"
#include "dsc/rng.h"
#include "dsc/train.h"

#include <string.h>

static bool is_gain(const struct dsc_graph *g, int value)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];
        const bool is_norm = n->op->prune == DSC_PRUNE_NORM;

        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] == value && ((is_norm && k == 1) || strcmp(n->op->onnx, "Mul") == 0))
                return true;
    }
    return false;
}

enum dsc_status dsc_params_redraw(struct dsc_graph *g, const struct dsc_param *params, int n_params,
                                  uint64_t seed, struct dsc_err *err)
{
    for (int i = 0; i < n_params; i++) {
        const int value = params[i].value;
        const struct dsc_tensor *w = &g->values[value].init;
        const double fixed = w->rank < 2 && is_gain(g, value);
        struct dsc_tensor own;
        struct dsc_rng r;
        enum dsc_status st;

        DSC_TRY(dsc_tensor_new(&own, w->dtype, w->rank, w->dim, err));
        dsc_rng_init(&r, dsc_rng_mix_text(dsc_rng_key(seed), g->values[value].name));
        for (int64_t k = 0; k < dsc_tensor_n_elems(&own); k++)
            dsc_tensor_set_f64(&own, k, w->rank < 2 ? fixed : 0.02 * (double)dsc_rng_normal(&r));
        st = dsc_graph_set_init(g, value, &own, err);
        dsc_tensor_clear(&own);
        DSC_TRY(st);
    }
    return DSC_OK;
}
