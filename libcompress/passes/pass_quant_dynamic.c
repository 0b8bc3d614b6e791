/*
 * Ranges computed at run time: product of a float activation and a dequantized int8 weight ->
 *
 *   q, s, z = DynamicQuantizeLinear(x)       once for all readers of x
 *   y = Cast(MatMulInteger(q, w, z, 0)) * (s * w_scale) [+ bias]
 *
 * the spelling that ONNX Runtime fuses to one kernel (docs/adr/0002, F). MatMulInteger has no
 * transposed form, so a [N,K] weight is stored as [K,N].
 */
#include "dsc/quant.h"
#include "passes/quant_spelling.h"

#include <stdio.h>

/* Codes as [K,N]. */
static enum dsc_status add_codes(struct dsc_graph *g, const struct dsc_int_weight *w, int *id,
                                 struct dsc_err *err)
{
    struct dsc_tensor t;
    char name[300];
    enum dsc_status st;

    *id = w->code_id;
    if (!w->is_trans)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&t, DSC_I8, 2, (int64_t[]){w->code->dim[1], w->code->dim[0]}, err));
    dsc_copy_transposed(&t, w->code);
    snprintf(name, sizeof name, "%s.T", g->values[w->code_id].name);
    st = dsc_add_init(g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

/* The DynamicQuantizeLinear of x, or a new one. */
static enum dsc_status add_quantize(struct dsc_graph *g, int x, struct dsc_node **q,
                                    struct dsc_err *err)
{
    static const char *const parts[] = {"codes", "scale", "zero_point"};
    char name[300];
    int out[3];

    for (int i = 0; i < g->n_nodes; i++) {
        *q = g->nodes[i];
        if (dsc_node_is(*q, "", "DynamicQuantizeLinear") && (*q)->in[0] == x)
            return DSC_OK;
    }
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s", g->values[x].name, parts[i]);
        DSC_TRY(dsc_add_value(g, name, &out[i], err));
    }
    snprintf(name, sizeof name, "%s/quantize", g->values[x].name);
    return dsc_graph_node(g, dsc_op_find("", "DynamicQuantizeLinear"), name, 1, &x, 3, out, q, err);
}

static enum dsc_status add_zero(struct dsc_graph *g, int *id, struct dsc_err *err)
{
    struct dsc_tensor zero;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&zero, DSC_I8, 0, NULL, err));
    dsc_tensor_set_i64(&zero, 0, 0);
    st = dsc_add_init(g, "weights_zero_point", &zero, id, err);
    dsc_tensor_clear(&zero);
    return st;
}

static enum dsc_status spell(struct dsc_graph *g, struct dsc_node *product,
                             const struct dsc_int_weight *w, int zero, struct dsc_err *err)
{
    const char *name = product->name;
    struct dsc_node *q, *cast;
    char text[300];
    int codes, sums, floats, scale, y;

    DSC_TRY(add_codes(g, w, &codes, err));
    DSC_TRY(add_quantize(g, product->in[0], &q, err));
    snprintf(text, sizeof text, "%s/integer", name);
    DSC_TRY(dsc_add_node(g, "", "MatMulInteger", text, 4,
                         (int[]){q->out[0], codes, q->out[2], zero}, &sums, NULL, err));
    snprintf(text, sizeof text, "%s/float", name);
    DSC_TRY(dsc_add_node(g, "", "Cast", text, 1, &sums, &floats, &cast, err));
    DSC_TRY(dsc_node_set_int(g, cast, "to", dsc_dtype_onnx(DSC_F32), err));
    snprintf(text, sizeof text, "%s/scale", name);
    DSC_TRY(
        dsc_add_node(g, "", "Mul", text, 2, (int[]){q->out[1], w->scale_id}, &scale, NULL, err));
    snprintf(text, sizeof text, "%s/scaled", name);
    DSC_TRY(dsc_add_node(g, "", "Mul", text, 2, (int[]){floats, scale}, &y, NULL, err));
    snprintf(text, sizeof text, "%s/bias", name);
    if (dsc_node_has_in(product, 2))
        DSC_TRY(dsc_add_node(g, "", "Add", text, 2, (int[]){y, product->in[2]}, &y, NULL, err));
    dsc_graph_replace_uses(g, product->out[0], y);
    dsc_graph_remove_node(product);
    return DSC_OK;
}

enum dsc_status dsc_quant_dynamic(struct dsc_graph *g, const struct dsc_quant_target *target,
                                  struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;
    int zero;

    DSC_TRY(add_zero(g, &zero, err));
    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        struct dsc_int_weight w;

        if (!n->op || !dsc_match_int_weight(g, n, &w) || w.code->dtype != DSC_I8 ||
            dsc_node_is(dsc_producer(g, n->in[0]), "", "DequantizeLinear"))
            continue;
        DSC_TRY(spell(g, n, &w, zero, err));
    }
    if (target->has_dynamic_lstm)
        DSC_TRY(dsc_quant_dynamic_lstm(g, err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
