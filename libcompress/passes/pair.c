/* Layers that a graph and its quantized form have in common. */
#include "dsc/pair.h"

#include "passes/pair_region.h"
#include "passes/rewrite.h"

#include <stdlib.h>

/* ---- regions ---- */

enum dsc_status dsc_region_init(struct dsc_region *r, const struct dsc_graph *g, const int *other,
                                struct dsc_err *err)
{
    *r = (struct dsc_region){.g = g, .other = other};
    r->is_in = dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *r->is_in, err);
    r->nodes = r->is_in ? dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *r->nodes, err) : NULL;
    return r->nodes ? DSC_OK : DSC_E_MEMORY;
}

void dsc_region_clear(struct dsc_region *r)
{
    dsc_heap_free(r->is_in);
    dsc_heap_free(r->nodes);
}

static void take(struct dsc_region *r, int value)
{
    const int p = value == DSC_NO_VALUE ? -1 : r->g->values[value].producer;

    if (p < 0 || r->is_in[p])
        return;
    r->is_in[p] = true;
    r->nodes[r->n++] = p;
}

static int compare_int(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;

    return x < y ? -1 : x > y;
}

/* Breadth first; the list grows while it is walked. Node numbers are a topological order. */
void dsc_region_find(struct dsc_region *r, int value)
{
    for (int i = 0; i < r->n; i++)
        r->is_in[r->nodes[i]] = false;
    r->n = 0;
    take(r, value);
    for (int i = 0; i < r->n; i++) {
        const struct dsc_node *n = r->g->nodes[r->nodes[i]];

        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] != DSC_NO_VALUE && r->other[n->in[k]] == DSC_NO_VALUE)
                take(r, n->in[k]);
    }
    qsort(r->nodes, (size_t)r->n, sizeof *r->nodes, compare_int);
}

/* ---- values that correspond ---- */

static bool is_code(const struct dsc_graph *g, int value)
{
    const enum dsc_dtype t = value == DSC_NO_VALUE ? DSC_DTYPE_NONE : g->values[value].type.dtype;

    return t == DSC_U8 || t == DSC_I8 || t == DSC_U4 || t == DSC_I4;
}

static void tie(struct dsc_pair *p, int value, int ref_value)
{
    const struct dsc_graph *q = p->quant, *r = p->ref;

    if (value == DSC_NO_VALUE || ref_value == DSC_NO_VALUE || p->ref_of[value] != DSC_NO_VALUE ||
        p->quant_of[ref_value] != DSC_NO_VALUE ||
        q->values[value].type.dtype != r->values[ref_value].type.dtype)
        return;
    p->ref_of[value] = ref_value;
    p->quant_of[ref_value] = value;
}

static bool is_computed(const struct dsc_graph *g, int value)
{
    return value != DSC_NO_VALUE && (g->values[value].is_input || g->values[value].producer >= 0);
}

static void tie_by_name(struct dsc_pair *p)
{
    const struct dsc_graph *q = p->quant;

    for (int i = 0; i < q->n_values; i++) {
        const int r = is_computed(q, i) ? dsc_graph_find_value(p->ref, q->values[i].name) : -1;

        if (r >= 0 && is_computed(p->ref, r) && q->values[i].is_input == p->ref->values[r].is_input)
            tie(p, i, r);
    }
}

/* Behind a lookup of codes: the one DequantizeLinear that reads them. */
static int dequantized(const struct dsc_graph *g, int value)
{
    int found = value;

    for (int i = 0; is_code(g, value) && i < g->n_nodes; i++)
        if (dsc_node_is(g->nodes[i], "", "DequantizeLinear") && g->nodes[i]->in[0] == value)
            found = g->nodes[i]->out[0];
    return found;
}

static void tie_by_node(struct dsc_pair *p)
{
    for (int i = 0; i < p->quant->n_nodes; i++) {
        const struct dsc_node *n = p->quant->nodes[i];
        const int k = dsc_graph_find_node(p->ref, n->name);
        const struct dsc_node *m = k >= 0 ? p->ref->nodes[k] : NULL;

        if (m && m->op == n->op && m->n_out == n->n_out)
            for (int o = 0; o < n->n_out; o++)
                tie(p, dequantized(p->quant, n->out[o]), m->out[o]);
    }
}

static enum dsc_status check_ends(const struct dsc_pair *p, struct dsc_err *err)
{
    const struct dsc_graph *r = p->ref, *q = p->quant;

    for (int i = 0; i < q->n_inputs; i++)
        if (p->ref_of[q->inputs[i]] == DSC_NO_VALUE)
            return dsc_fail(err, DSC_E_INCONSISTENT, "the models have other inputs: '%s'",
                            q->values[q->inputs[i]].name);
    for (int i = 0; i < r->n_inputs; i++)
        if (p->quant_of[r->inputs[i]] == DSC_NO_VALUE)
            return dsc_fail(err, DSC_E_INCONSISTENT, "the models have other inputs: '%s'",
                            r->values[r->inputs[i]].name);
    for (int i = 0; i < r->n_outputs; i++)
        if (p->quant_of[r->outputs[i]] == DSC_NO_VALUE)
            return dsc_fail(err, DSC_E_INCONSISTENT, "the models have other outputs: '%s'",
                            r->values[r->outputs[i]].name);
    return DSC_OK;
}

/* ---- layers ---- */

static bool has_codes(const struct dsc_region *r)
{
    for (int i = 0; i < r->n; i++) {
        const struct dsc_node *n = r->g->nodes[r->nodes[i]];

        for (int k = 0; k < n->n_in; k++)
            if (is_code(r->g, n->in[k]))
                return true;
        for (int k = 0; k < n->n_out; k++)
            if (is_code(r->g, n->out[k]))
                return true;
    }
    return false;
}

static bool is_product(const struct dsc_node *n)
{
    return n->op->quant == DSC_QUANT_WEIGHT || n->op->quant == DSC_QUANT_TABLE;
}

/* What such a node makes is the layer before it in another order. */
static bool moves_data(const struct dsc_op *op)
{
    return op->is_view || op->is_host || op->quant == DSC_QUANT_PASS;
}

static enum dsc_status add_layer(struct dsc_pair *p, struct dsc_region *in_ref,
                                 struct dsc_region *in_quant, int ref_value,
                                 struct dsc_arena *arena, struct dsc_err *err)
{
    const struct dsc_node *made_by = dsc_producer(p->ref, ref_value);
    struct dsc_pair_layer *l = &p->layers[p->n_layers];

    *l = (struct dsc_pair_layer){.ref_value = ref_value, .value = p->quant_of[ref_value]};
    dsc_region_find(in_quant, l->value);
    l->is_quantized = has_codes(in_quant);
    if (p->ref->values[ref_value].type.dtype != DSC_F32 ||
        (!l->is_quantized && moves_data(made_by->op)))
        return DSC_OK;
    l->name = made_by->name;
    if (l->is_quantized) {
        dsc_region_find(in_ref, ref_value);
        DSC_NEW(l->products, arena, in_ref->n, err);
        for (int i = 0; i < in_ref->n; i++)
            if (is_product(p->ref->nodes[in_ref->nodes[i]]))
                l->products[l->n_products++] = p->ref->nodes[in_ref->nodes[i]];
        if (l->n_products > 0)
            l->name = l->products[0]->name;
    }
    p->n_quantized += l->is_quantized;
    p->n_layers++;
    return DSC_OK;
}

static enum dsc_status find_layers(struct dsc_pair *p, struct dsc_arena *arena, struct dsc_err *err)
{
    struct dsc_region in_ref = {0}, in_quant = {0};
    enum dsc_status st;

    DSC_TRY_OUT(st, dsc_region_init(&in_ref, p->ref, p->quant_of, err));
    DSC_TRY_OUT(st, dsc_region_init(&in_quant, p->quant, p->ref_of, err));
    for (int i = 0; i < p->ref->n_nodes; i++)
        for (int k = 0; k < p->ref->nodes[i]->n_out; k++) {
            const int v = p->ref->nodes[i]->out[k];

            if (v != DSC_NO_VALUE && p->quant_of[v] != DSC_NO_VALUE)
                DSC_TRY_OUT(st, add_layer(p, &in_ref, &in_quant, v, arena, err));
        }
out:
    dsc_region_clear(&in_ref);
    dsc_region_clear(&in_quant);
    return st;
}

enum dsc_status dsc_pair_match(const struct dsc_graph *ref, const struct dsc_graph *quant,
                               struct dsc_arena *arena, struct dsc_pair *pair, struct dsc_err *err)
{
    *pair = (struct dsc_pair){.ref = ref, .quant = quant};
    DSC_NEW(pair->ref_of, arena, quant->n_values, err);
    DSC_NEW(pair->quant_of, arena, ref->n_values, err);
    DSC_NEW(pair->layers, arena, ref->n_values, err);
    for (int i = 0; i < quant->n_values; i++)
        pair->ref_of[i] = DSC_NO_VALUE;
    for (int i = 0; i < ref->n_values; i++)
        pair->quant_of[i] = DSC_NO_VALUE;
    tie_by_name(pair);
    tie_by_node(pair);
    DSC_TRY(check_ends(pair, err));
    return find_layers(pair, arena, err);
}
