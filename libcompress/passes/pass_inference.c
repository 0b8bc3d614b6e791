/* The graph that is run when nobody trains. */
#include "dsc/pass.h"
#include "dsc/quant.h"
#include "passes/fuse.h"

enum dsc_status dsc_pass_strip_dropout(struct dsc_graph *g, struct dsc_err *err)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];

        /* a mask output that somebody reads, or training_mode said by the file, keeps the node */
        if (!dsc_node_is(n, "", "Dropout") || dsc_node_has_in(n, 2) ||
            (n->n_out > 1 && n->out[1] != DSC_NO_VALUE && g->values[n->out[1]].n_uses > 0) ||
            g->values[n->out[0]].is_output)
            continue;
        dsc_graph_replace_uses(g, n->out[0], n->in[0]);
        dsc_graph_remove_node(n);
    }
    return dsc_graph_sort(g, true, err);
}

enum dsc_status dsc_pass_inference(struct dsc_graph *g, int *n_int, struct dsc_err *err)
{
    DSC_TRY(dsc_pass_strip_dropout(g, err));
    DSC_TRY(dsc_pass_fold_batchnorm(g, NULL, err));
    DSC_TRY(dsc_quant_lower(g, n_int, err));
    DSC_TRY(dsc_pass_fold_filters(g, err));
    DSC_TRY(dsc_pass_fuse_attention(g, err));
    DSC_TRY(dsc_pass_fuse_quantize(g, err));
    DSC_TRY(dsc_pass_pack_codes(g, err));
    DSC_TRY(dsc_pass_pack_product(g, err));
    DSC_TRY(dsc_pass_pack_recurrent(g, err));
    DSC_TRY(dsc_pass_fuse_product(g, err));
    DSC_TRY(dsc_pass_fuse_norm(g, err));
    return dsc_graph_verify(g, err);
}
