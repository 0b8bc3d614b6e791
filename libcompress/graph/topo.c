/* Order: producers before consumers, and what is no longer needed dropped. */
#include "dsc/graph.h"
#include "graph/names.h"

#include <string.h>

static enum dsc_status find_producers(struct dsc_graph *g, struct dsc_err *err)
{
    for (int i = 0; i < g->n_values; i++) {
        g->values[i].producer = -1;
        g->values[i].n_uses = 0;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];

        for (int k = 0; k < n->n_out; k++) {
            struct dsc_value *v = n->out[k] == DSC_NO_VALUE ? NULL : &g->values[n->out[k]];

            if (!v)
                continue;
            if (v->producer >= 0 || v->is_input || dsc_tensor_is_present(&v->init))
                return dsc_fail(err, DSC_E_INCONSISTENT,
                                "value '%s' is an output of node '%s' and comes from elsewhere too",
                                v->name, n->name);
            v->producer = i;
        }
    }
    return DSC_OK;
}

/* Depth-first marks what the outputs need; an explicit stack, since files choose the depth. */
static enum dsc_status mark_needed(struct dsc_graph *g, bool *is_needed, struct dsc_err *err)
{
    int *stack = dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *stack, err), n_stack = 0;

    if (!stack)
        return DSC_E_MEMORY;
    for (int i = 0; i < g->n_outputs; i++) {
        const int p = g->values[g->outputs[i]].producer;

        if (p >= 0 && !is_needed[p]) {
            is_needed[p] = true;
            stack[n_stack++] = p;
        }
    }
    while (n_stack > 0) {
        const struct dsc_node *n = g->nodes[stack[--n_stack]];

        for (int k = 0; k < n->n_in; k++) {
            const int p = n->in[k] == DSC_NO_VALUE ? -1 : g->values[n->in[k]].producer;

            if (p >= 0 && !is_needed[p]) {
                is_needed[p] = true;
                stack[n_stack++] = p;
            }
        }
    }
    dsc_heap_free(stack);
    return DSC_OK;
}

/* A node that is to be placed, and its input that is looked at next. */
struct waiting {
    int node, next_in;
};

enum { UNSEEN, WAITING, PLACED };

/* The producer of the node's next input that has one which is not placed; -1: it has none. */
static int next_producer(const struct dsc_graph *g, struct waiting *w, const unsigned char *state)
{
    const struct dsc_node *n = g->nodes[w->node];

    while (w->next_in < n->n_in) {
        const int v = n->in[w->next_in++];
        const int p = v == DSC_NO_VALUE ? -1 : g->values[v].producer;

        if (p >= 0 && state[p] != PLACED)
            return p;
    }
    return -1;
}

/* Nodes that are in order stay where they are; one that an earlier node reads comes before it, no
 * sooner, so that what it gives is not held for long. An explicit stack, since files choose the
 * depth. */
static enum dsc_status place_nodes(struct dsc_graph *g, const bool *is_needed, unsigned char *state,
                                   struct dsc_node **sorted, int *n_sorted, struct dsc_err *err)
{
    struct waiting *stack = dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *stack, err);
    int n_stack = 0;

    if (!stack)
        return DSC_E_MEMORY;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!is_needed[i] || state[i] == PLACED)
            continue;
        stack[n_stack++] = (struct waiting){i, 0};
        state[i] = WAITING;
        while (n_stack > 0) {
            const int p = next_producer(g, &stack[n_stack - 1], state);

            if (p < 0) {
                state[stack[n_stack - 1].node] = PLACED;
                sorted[(*n_sorted)++] = g->nodes[stack[--n_stack].node];
            } else if (state[p] == WAITING) {
                dsc_heap_free(stack);
                return dsc_fail(err, DSC_E_INCONSISTENT, "the graph has a cycle through node '%s'",
                                g->nodes[p]->name);
            } else {
                state[p] = WAITING;
                stack[n_stack++] = (struct waiting){p, 0};
            }
        }
    }
    dsc_heap_free(stack);
    return DSC_OK;
}

/* Values that nothing reads or makes keep their number; their names are free again. */
static enum dsc_status drop_dead_values(struct dsc_graph *g, struct dsc_err *err)
{
    dsc_names_drop_all(g->value_names);
    for (int i = 0; i < g->n_values; i++) {
        struct dsc_value *v = &g->values[i];

        if (v->n_uses == 0)
            dsc_tensor_clear(&v->init);
        if (v->n_uses > 0 || v->producer >= 0 || v->is_input)
            DSC_TRY(dsc_names_add(g->value_names, v->name, i, err));
    }
    return DSC_OK;
}

static enum dsc_status renumber(struct dsc_graph *g, struct dsc_node **sorted, int n_sorted,
                                bool prune, struct dsc_err *err)
{
    dsc_names_drop_all(g->node_names);
    if (n_sorted > 0) /* a graph of constants alone has no array of nodes */
        memcpy(g->nodes, sorted, (size_t)n_sorted * sizeof *sorted);
    g->n_nodes = n_sorted;
    for (int i = 0; i < n_sorted; i++)
        DSC_TRY(dsc_names_add(g->node_names, sorted[i]->name, i, err));
    DSC_TRY(find_producers(g, err));
    for (int i = 0; i < n_sorted; i++) {
        for (int k = 0; k < sorted[i]->n_in; k++) {
            const int in = sorted[i]->in[k];
            struct dsc_value *v = in == DSC_NO_VALUE ? NULL : &g->values[in];

            if (!v)
                continue;
            v->n_uses++;
            if (v->producer < 0 && !v->is_input && !dsc_tensor_is_present(&v->init))
                return dsc_fail(err, DSC_E_INCONSISTENT,
                                "input %d of node '%s' is '%s', which nothing produces", k,
                                sorted[i]->name, v->name);
        }
    }
    for (int i = 0; i < g->n_outputs; i++) {
        struct dsc_value *v = &g->values[g->outputs[i]];

        v->n_uses++;
        if (v->producer < 0 && !v->is_input && !dsc_tensor_is_present(&v->init))
            return dsc_fail(err, DSC_E_INCONSISTENT, "nothing produces the output '%s'", v->name);
    }
    return prune ? drop_dead_values(g, err) : DSC_OK;
}

static void drop_removed(struct dsc_graph *g)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        if (g->nodes[i]->op) {
            g->nodes[n++] = g->nodes[i];
            continue;
        }
        while (g->nodes[i]->n_attrs > 0)
            dsc_node_drop_attr(g->nodes[i], g->nodes[i]->attrs[0].name);
    }
    g->n_nodes = n;
}

enum dsc_status dsc_graph_sort(struct dsc_graph *g, bool prune, struct dsc_err *err)
{
    struct dsc_node **sorted = NULL;
    bool *is_needed = NULL;
    unsigned char *state = NULL;
    int n_sorted = 0;
    enum dsc_status st;

    drop_removed(g);
    DSC_TRY(find_producers(g, err));
    is_needed = dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *is_needed, err);
    state = is_needed ? dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *state, err) : NULL;
    sorted = state ? dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *sorted, err) : NULL;
    if (!sorted)
        DSC_TRY_OUT(st, DSC_E_MEMORY);
    if (prune)
        DSC_TRY_OUT(st, mark_needed(g, is_needed, err));
    else
        memset(is_needed, true, (size_t)g->n_nodes);
    DSC_TRY_OUT(st, place_nodes(g, is_needed, state, sorted, &n_sorted, err));
    for (int i = 0; i < g->n_nodes; i++)
        if (!is_needed[i])
            while (g->nodes[i]->n_attrs > 0)
                dsc_node_drop_attr(g->nodes[i], g->nodes[i]->attrs[0].name);
    st = renumber(g, sorted, n_sorted, prune, err);
out:
    dsc_heap_free(sorted);
    dsc_heap_free(state);
    dsc_heap_free(is_needed);
    return st;
}
