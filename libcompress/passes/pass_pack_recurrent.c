/*
 * LSTM, GRU, RNN with a constant R -> dsc.PackedRecurrent: the product of every step is one on
 * weights that are packed once.
 */
#include "dsc/pass.h"
#include "kernels/kernels.h"
#include "ops/recurrent.h"
#include "passes/rewrite.h"

#include <stdio.h>

static enum dsc_status add_packed(struct dsc_graph *g, const struct dsc_node *n,
                                  const struct dsc_cell *cell, const struct dsc_tensor *r, int *id,
                                  struct dsc_err *err)
{
    const int64_t h = r->dim[2], gates = cell->n_gates * h;
    struct dsc_tensor packed;
    char name[300];
    int64_t n_elems;
    float *to;
    enum dsc_status st;

    if (!dsc_rnn_packed_elems(cell, h, &n_elems))
        return dsc_fail(err, DSC_E_OVERFLOW, "a recurrent layer of %lld units", (long long)h);
    DSC_TRY(dsc_tensor_new(&packed, DSC_F32, 1, (int64_t[]){r->dim[0] * n_elems}, err));
    to = packed.data;
    for (int64_t d = 0; d < r->dim[0]; d++)
        for (int first = 0, n_joined; first < cell->n_gates; first += n_joined) {
            size_t n_part = 0;

            n_joined = first == 0 ? cell->n_joined : cell->n_gates - first;
            (void)dsc_sgemm_packed_elems(h, n_joined * h, &n_part);
            dsc_sgemm_pack(to, (const float *)r->data + (d * gates + first * h) * h, h,
                           n_joined * h, 1, h);
            to += n_part;
        }
    snprintf(name, sizeof name, "%.280s/packed", n->name);
    st = dsc_add_init(g, name, &packed, id, err);
    dsc_tensor_clear(&packed);
    return st;
}

static enum dsc_status pack(struct dsc_graph *g, struct dsc_node *n, const struct dsc_cell *cell,
                            struct dsc_err *err)
{
    int in[DSC_RNN_N_IN + 1];
    char name[300];
    struct dsc_node *p;

    for (int k = 0; k < DSC_RNN_N_IN; k++)
        in[k] = dsc_node_has_in(n, k) ? n->in[k] : DSC_NO_VALUE;
    DSC_TRY(add_packed(g, n, cell, dsc_constant(g, n->in[DSC_RNN_R]), &in[DSC_RNN_N_IN], err));
    snprintf(name, sizeof name, "%.280s/steps", n->name);
    DSC_TRY(dsc_graph_node(g, dsc_op_find("dsc", "PackedRecurrent"), name, DSC_RNN_N_IN + 1, in,
                           n->n_out, n->out, &p, err));
    for (int k = 0; k < p->n_out; k++)
        if (p->out[k] != DSC_NO_VALUE && g->values[p->out[k]].n_uses == 0)
            p->out[k] = DSC_NO_VALUE;
    p->attrs = n->attrs; /* the same, in the graph's arena */
    p->n_attrs = n->n_attrs;
    n->n_attrs = 0;
    DSC_TRY(dsc_node_set_string(g, p, "cell", n->op->onnx, err));
    dsc_graph_remove_node(n);
    return DSC_OK;
}

enum dsc_status dsc_pass_pack_recurrent(struct dsc_graph *g, struct dsc_err *err)
{
    static const struct {
        const char *op;
        const struct dsc_cell *cell;
    } rows[] = {{"LSTM", &dsc_cell_lstm}, {"GRU", &dsc_cell_gru}, {"RNN", &dsc_cell_rnn}};
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++)
        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            struct dsc_node *n = g->nodes[i];
            const struct dsc_tensor *r;

            if (!dsc_node_is(n, "", rows[k].op))
                continue;
            r = dsc_constant(g, n->in[DSC_RNN_R]);
            if (r && r->dtype == DSC_F32 && r->rank == 3 && r->dim[2] > 0)
                DSC_TRY(pack(g, n, rows[k].cell, err));
            break;
        }
    return dsc_graph_sort(g, true, err);
}
