/*
 * LSTM with weights behind DequantizeLinear -> com.microsoft DynamicQuantizeLSTM, whose products
 * run on integers in ONNX Runtime. Its weights are [D,K,4H] with scales [D,4H].
 */
#include "dsc/op.h"
#include "dsc/quant.h"
#include "ops/recurrent.h"
#include "passes/quant_spelling.h"

#include <stdio.h>
#include <string.h>

enum { N_PARAMS = 4, N_IN = DSC_RNN_N_IN + N_PARAMS };

/* A weight [D,4H,K] of int8 codes, symmetric, by gate rows or with one scale. */
struct weight {
    const struct dsc_tensor *code, *scale;
    const char *name;
};

static bool match_weight(const struct dsc_graph *g, int value, struct weight *w)
{
    const struct dsc_node *dq = dsc_producer(g, value);
    const struct dsc_tensor *zero;

    if (!dsc_node_is(dq, "", "DequantizeLinear"))
        return false;
    w->code = dsc_constant(g, dq->in[0]);
    w->scale = dsc_constant(g, dq->in[1]);
    w->name = g->values[dq->in[0]].name;
    zero = dsc_node_has_in(dq, 2) ? dsc_constant(g, dq->in[2]) : NULL;
    return w->code && w->code->dtype == DSC_I8 && w->code->rank == 3 && w->scale &&
           (dsc_tensor_n_elems(w->scale) == 1 ||
            (w->scale->rank == 1 && dsc_node_int(dq, "axis", 1) == 1 &&
             dsc_node_int(dq, "block_size", 0) == 0)) &&
           (!dsc_node_has_in(dq, 2) || (zero && dsc_is_zero(zero)));
}

static enum dsc_status add(struct dsc_graph *g, const struct weight *w, const char *part,
                           struct dsc_tensor *t, int *id, struct dsc_err *err)
{
    char name[300];
    enum dsc_status st;

    snprintf(name, sizeof name, "%.200s/%s", w->name, part);
    st = dsc_add_init(g, name, t, id, err);
    dsc_tensor_clear(t);
    return st;
}

static enum dsc_status add_codes(struct dsc_graph *g, const struct weight *w, int *id,
                                 struct dsc_err *err)
{
    const int64_t d = w->code->dim[0], gates = w->code->dim[1], k = w->code->dim[2];
    struct dsc_tensor t;

    DSC_TRY(dsc_tensor_new(&t, DSC_I8, 3, (int64_t[]){d, k, gates}, err));
    for (int64_t i = 0; i < d; i++) {
        const struct dsc_tensor from =
            dsc_rnn_part(w->code, i * gates * k, 2, (int64_t[]){gates, k});
        const struct dsc_tensor to = dsc_rnn_part(&t, i * gates * k, 2, (int64_t[]){k, gates});

        dsc_copy_transposed(&to, &from);
    }
    return add(g, w, "T", &t, id, err);
}

/* Scales of all directions, and zero points of 0. */
static enum dsc_status add_params(struct dsc_graph *g, const struct weight *w, int id[2],
                                  struct dsc_err *err)
{
    const int64_t dim[2] = {w->code->dim[0], w->code->dim[1]};
    const bool is_one = dsc_tensor_n_elems(w->scale) == 1;
    struct dsc_tensor t;

    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 2, dim, err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_f64(&t, i, dsc_tensor_get_f64(w->scale, is_one ? 0 : i % dim[1]));
    DSC_TRY(add(g, w, "scale", &t, &id[0], err));
    DSC_TRY(dsc_tensor_new(&t, DSC_I8, 2, dim, err));
    return add(g, w, "zero_point", &t, &id[1], err);
}

static enum dsc_status respell(struct dsc_graph *g, struct dsc_node *n, const struct weight *w,
                               const struct weight *r, struct dsc_err *err)
{
    int in[N_IN];
    struct dsc_node *q;

    for (int k = 0; k < N_IN; k++)
        in[k] = k < DSC_RNN_N_IN && dsc_node_has_in(n, k) ? n->in[k] : DSC_NO_VALUE;
    DSC_TRY(add_codes(g, w, &in[DSC_RNN_W], err));
    DSC_TRY(add_codes(g, r, &in[DSC_RNN_R], err));
    DSC_TRY(add_params(g, w, &in[DSC_RNN_N_IN], err));
    DSC_TRY(add_params(g, r, &in[DSC_RNN_N_IN + 2], err));
    DSC_TRY(dsc_graph_node(g, dsc_op_find("com.microsoft", "DynamicQuantizeLSTM"), NULL, N_IN, in,
                           n->n_out, n->out, &q, err));
    q->attrs = n->attrs; /* the same, and the arena's */
    q->n_attrs = n->n_attrs;
    dsc_node_drop_attr(q, "layout");
    n->n_attrs = 0;
    dsc_graph_remove_node(n);
    return DSC_OK;
}

enum dsc_status dsc_quant_dynamic_lstm(struct dsc_graph *g, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        struct weight w, r;

        if (dsc_node_is(n, "", "LSTM") && dsc_node_int(n, "layout", 0) == 0 &&
            match_weight(g, n->in[DSC_RNN_W], &w) && match_weight(g, n->in[DSC_RNN_R], &r))
            DSC_TRY(respell(g, n, &w, &r, err));
    }
    return DSC_OK;
}
