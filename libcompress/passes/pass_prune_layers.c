/*
 * Whole layers: what stands between two values of the residual stream goes, and the later value's
 * readers read the earlier one.
 *
 * A cut is a value through which every path from a graph input to the outputs runs, sizes left
 * aside. A node is one when, in topological order, no edge of those before it leads past it.
 */
#include "dsc/op.h"
#include "passes/prune_tie.h"

#include <limits.h>
#include <math.h>
#include <string.h>

struct cut {
    int value, node;
    bool has_attention; /* between it and the cut before it is a product of two activations */
};

struct stream {
    const struct dsc_graph *g;
    bool *is_on;   /* [n_values] on a path from the input to an output */
    int *last_use; /* [n_values] the last node on a path that reads it; INT_MAX: an output */
    struct cut *cuts;
    int n_cuts;
};

static bool is_data(const struct dsc_node *n, int k)
{
    return n->in[k] != DSC_NO_VALUE && !n->op->is_host &&
           !(k < 16 && (n->op->host_in | n->op->shape_in) >> k & 1);
}

static bool reads_on_path(const struct stream *s, const struct dsc_node *n)
{
    for (int k = 0; k < n->n_in; k++)
        if (is_data(n, k) && s->is_on[n->in[k]])
            return true;
    return false;
}

static int on_path(const struct stream *s, const struct dsc_node *n)
{
    for (int k = 0; k < n->n_out; k++)
        if (n->out[k] != DSC_NO_VALUE && s->is_on[n->out[k]])
            return n->out[k];
    return DSC_NO_VALUE;
}

static void mark_paths(struct stream *s, int input)
{
    const struct dsc_graph *g = s->g;

    memset(s->is_on, 0, (size_t)g->n_values * sizeof *s->is_on);
    s->is_on[input] = true;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; reads_on_path(s, g->nodes[i]) && k < g->nodes[i]->n_out; k++)
            if (g->nodes[i]->out[k] != DSC_NO_VALUE)
                s->is_on[g->nodes[i]->out[k]] = true;
    for (int v = 0; v < g->n_values; v++)
        s->last_use[v] = g->values[v].is_output ? INT_MAX : -1;
    for (int i = g->n_nodes - 1; i >= 0; i--) { /* back: what no output needs is on no path */
        const struct dsc_node *n = g->nodes[i];
        bool is_needed = false;

        for (int k = 0; k < n->n_out; k++)
            is_needed |= n->out[k] != DSC_NO_VALUE && s->last_use[n->out[k]] >= 0;
        for (int k = 0; k < n->n_out; k++)
            if (n->out[k] != DSC_NO_VALUE && s->last_use[n->out[k]] < 0)
                s->is_on[n->out[k]] = false;
        for (int k = 0; is_needed && k < n->n_in; k++)
            if (is_data(n, k) && s->last_use[n->in[k]] < i)
                s->last_use[n->in[k]] = i;
    }
}

static void find_cuts(struct stream *s, int input)
{
    const struct dsc_graph *g = s->g;
    int reach = s->last_use[input];
    bool has_attention = false;

    s->n_cuts = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];
        const int value = on_path(s, n);

        if (value == DSC_NO_VALUE || !reads_on_path(s, n))
            continue;
        has_attention |=
            n->op->prune == DSC_PRUNE_MATMUL && s->is_on[n->in[0]] && s->is_on[n->in[1]];
        if (reach <= i) {
            s->cuts[s->n_cuts++] = (struct cut){value, i, has_attention};
            has_attention = false;
        }
        for (int k = 0; k < n->n_out; k++)
            if (n->out[k] != DSC_NO_VALUE && s->last_use[n->out[k]] > reach)
                reach = s->last_use[n->out[k]];
    }
}

/* The cut ends in a sum with the one before it. */
static bool is_residual(const struct stream *s, int cut)
{
    const struct dsc_node *n = s->g->nodes[s->cuts[cut].node];

    return dsc_node_is(n, "", "Add") &&
           (n->in[0] == s->cuts[cut - 1].value || n->in[1] == s->cuts[cut - 1].value);
}

static bool same_types(const struct dsc_graph *g, int a, int b)
{
    const struct dsc_type *x = &g->values[a].type, *y = &g->values[b].type;

    return x->dtype == y->dtype && x->rank > 0 && x->rank == y->rank &&
           x->dim[x->rank - 1] == y->dim[y->rank - 1];
}

/* Nodes of an operator on the path from one cut to another; op NULL: all. */
static int count_nodes(const struct stream *s, const struct cut *from, const struct cut *to,
                       const struct dsc_op *op)
{
    int n = 0;

    for (int i = from->node + 1; i <= to->node; i++)
        n += on_path(s, s->g->nodes[i]) != DSC_NO_VALUE && (!op || s->g->nodes[i]->op == op);
    return n;
}

/* As many nodes of each kind between two cuts as between two others, in whatever order. */
static bool are_alike(const struct stream *s, const struct cut *a, const struct cut *a_end,
                      const struct cut *b, const struct cut *b_end)
{
    if (count_nodes(s, a, a_end, NULL) != count_nodes(s, b, b_end, NULL))
        return false;
    for (int i = a->node + 1; i <= a_end->node; i++) {
        const struct dsc_op *op = s->g->nodes[i]->op;

        if (count_nodes(s, a, a_end, op) != count_nodes(s, b, b_end, op) &&
            on_path(s, s->g->nodes[i]) != DSC_NO_VALUE)
            return false;
    }
    return true;
}

static const char *name_of(const struct stream *s, int first, int last)
{
    for (int i = first; i <= last; i++)
        if (s->g->nodes[i]->op->prune == DSC_PRUNE_MATMUL && s->is_on[s->g->nodes[i]->in[0]] &&
            s->is_on[s->g->nodes[i]->in[1]])
            return s->g->nodes[i]->name;
    return s->g->nodes[last]->name;
}

/* Of the only layer: behind its second residual sum, and the norm if one follows the first. */
static int end_of_only(const struct stream *s, int attention)
{
    int end = attention + 1;

    while (end < s->n_cuts && !is_residual(s, end))
        end++;
    return end + (end - 1 - attention);
}

/* A layer begins before its attention and ends where that of the next begins; the last one is as
 * long as the one before it, if it is of the same nodes. */
static void find_layers(const struct stream *s, struct dsc_prune_layers *layers)
{
    int before = -1, length = 0;

    layers->n = 0;
    for (int c = 1; c < s->n_cuts; c++) {
        int end = c;

        if (!s->cuts[c].has_attention)
            continue;
        while (end < s->n_cuts && (end == c || !s->cuts[end].has_attention))
            end++;
        end--; /* the cut before the next attention */
        if (end == s->n_cuts - 1)
            end = length > 0 ? c - 1 + length : end_of_only(s, c);
        if (!is_residual(s, c) || end >= s->n_cuts ||
            !same_types(s->g, s->cuts[c - 1].value, s->cuts[end].value))
            continue;
        if (before >= 0 && !are_alike(s, &s->cuts[before], &s->cuts[before + length],
                                      &s->cuts[c - 1], &s->cuts[end]))
            continue;
        before = c - 1;
        length = end - before;
        layers->items[layers->n++] = (struct dsc_prune_layer){
            .name = name_of(s, s->cuts[c - 1].node + 1, s->cuts[c].node),
            .in = s->cuts[c - 1].value,
            .out = s->cuts[end].value,
            .first_node = s->cuts[c - 1].node + 1,
            .last_node = s->cuts[end].node,
        };
    }
}

enum dsc_status dsc_prune_find_layers(const struct dsc_graph *g, struct dsc_arena *arena,
                                      struct dsc_prune_layers *layers, struct dsc_err *err)
{
    struct stream s = {.g = g};
    struct dsc_prune_layers one = {0};

    *layers = (struct dsc_prune_layers){0};
    DSC_NEW(s.is_on, arena, g->n_values, err);
    DSC_NEW(s.last_use, arena, g->n_values, err);
    DSC_NEW(s.cuts, arena, g->n_nodes + 1, err);
    for (int i = 0; i < g->n_inputs; i++) { /* the input that the stream comes from */
        DSC_NEW(one.items, arena, g->n_nodes + 1, err);
        mark_paths(&s, g->inputs[i]);
        find_cuts(&s, g->inputs[i]);
        find_layers(&s, &one);
        if (one.n > layers->n)
            *layers = one;
    }
    if (layers->n > 1)
        return DSC_OK;
    return dsc_fail(err, DSC_E_UNSUPPORTED,
                    layers->n == 1 ? "the model has one layer, and that stays"
                                   : "no layers of attention between residual sums are found");
}

enum dsc_status dsc_prune_choose_layers(struct dsc_prune_layers *layers, double sparsity,
                                        struct dsc_err *err)
{
    int n = 0, n_want;

    for (int i = 0; i < layers->n; i++)
        n += !layers->items[i].stays;
    n_want = (int)rint(sparsity * layers->n);
    if (n_want > layers->n - 1)
        n_want = layers->n - 1;
    if (n_want > n)
        return dsc_fail(err, DSC_E_USAGE, "%d layers should go, and %d of %d may", n_want, n,
                        layers->n);
    if (n_want == 0)
        return dsc_fail(err, DSC_E_USAGE, "nothing would go: %g of %d layers is less than one",
                        sparsity, layers->n);
    for (int i = layers->n - 1; i >= 0 && layers->n_gone < n_want; i--) {
        if (layers->items[i].stays)
            continue;
        layers->items[i].is_gone = true;
        layers->n_gone++;
    }
    return DSC_OK;
}

enum dsc_status dsc_prune_cut_layers(struct dsc_graph *g, const struct dsc_prune_layers *layers,
                                     struct dsc_err *err)
{
    for (int i = layers->n - 1; i >= 0; i--) /* the last first: values before it stay as they are */
        if (layers->items[i].is_gone)
            dsc_graph_replace_uses(g, layers->items[i].out, layers->items[i].in);
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
