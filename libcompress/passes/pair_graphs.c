/* Graphs made of two: errors of layers, and layers that are float again. */
#include "dsc/pair.h"
#include "passes/pair_region.h"
#include "passes/rewrite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const prefixes[DSC_N_PAIR_ERRORS] = {
    [DSC_PAIR_RUN] = "dsc.pair.run/", [DSC_PAIR_OWN] = "dsc.pair.own/"};

bool dsc_pair_error_of(const struct dsc_node *n, enum dsc_pair_error *kind, int *layer)
{
    for (int i = 0; i < DSC_N_PAIR_ERRORS; i++) {
        const size_t n_prefix = strlen(prefixes[i]);

        if (strncmp(n->name, prefixes[i], n_prefix) != 0)
            continue;
        *kind = (enum dsc_pair_error)i;
        *layer = (int)strtol(n->name + n_prefix, NULL, 10);
        return true;
    }
    return false;
}

/* ---- nodes of one graph into another ---- */

/*
 * in, out: [src->n_values] what a value of src is in g, where it is read and where it is made;
 * DSC_NO_VALUE: not there yet. One array for both, where all of src is copied.
 */
struct importer {
    struct dsc_graph *g;
    const struct dsc_graph *src;
    const char *prefix;
    int *in, *out;
    bool *is_there; /* [src->n_nodes] */
};

static enum dsc_status open_importer(struct importer *im, struct dsc_graph *g,
                                     const struct dsc_graph *src, const char *prefix, const int *in,
                                     struct dsc_err *err)
{
    *im = (struct importer){.g = g, .src = src, .prefix = prefix};
    DSC_NEW(im->in, &g->arena, src->n_values, err);
    DSC_NEW(im->out, &g->arena, src->n_values, err);
    DSC_NEW(im->is_there, &g->arena, src->n_nodes, err);
    for (int i = 0; i < src->n_values; i++) {
        im->in[i] = in ? in[i] : DSC_NO_VALUE;
        im->out[i] = DSC_NO_VALUE;
    }
    return DSC_OK;
}

static enum dsc_status read_value(struct importer *im, int value, int *id, struct dsc_err *err)
{
    const struct dsc_tensor *t = value == DSC_NO_VALUE ? NULL : dsc_constant(im->src, value);
    char name[300];

    *id = value == DSC_NO_VALUE ? DSC_NO_VALUE : im->in[value];
    if (value == DSC_NO_VALUE || *id != DSC_NO_VALUE)
        return DSC_OK;
    if (!t)
        return dsc_fail(err, DSC_E_INTERNAL, "'%s' is read before it is made",
                        im->src->values[value].name);
    snprintf(name, sizeof name, "%s%s", im->prefix, im->src->values[value].name);
    DSC_TRY(dsc_add_init(im->g, name, t, id, err));
    im->in[value] = *id;
    return DSC_OK;
}

static enum dsc_status make_value(struct importer *im, int value, int *id, struct dsc_err *err)
{
    char name[300];

    *id = DSC_NO_VALUE;
    if (value == DSC_NO_VALUE)
        return DSC_OK;
    snprintf(name, sizeof name, "%s%s", im->prefix, im->src->values[value].name);
    DSC_TRY(dsc_add_value(im->g, name, id, err));
    im->out[value] = *id;
    if (im->in[value] == DSC_NO_VALUE)
        im->in[value] = *id;
    return DSC_OK;
}

static enum dsc_status import_node(struct importer *im, int node, struct dsc_err *err)
{
    const struct dsc_node *n = im->src->nodes[node];
    struct dsc_node *copy;
    int *in, *out;

    if (im->is_there[node])
        return DSC_OK;
    im->is_there[node] = true;
    DSC_NEW(in, &im->g->arena, n->n_in, err);
    DSC_NEW(out, &im->g->arena, n->n_out, err);
    for (int k = 0; k < n->n_in; k++)
        DSC_TRY(read_value(im, n->in[k], &in[k], err));
    for (int k = 0; k < n->n_out; k++)
        DSC_TRY(make_value(im, n->out[k], &out[k], err));
    return dsc_graph_import_node(im->g, n, NULL, in, out, &copy, err);
}

static enum dsc_status import_region(struct importer *im, struct dsc_region *r, int value,
                                     struct dsc_err *err)
{
    dsc_region_find(r, value);
    for (int i = 0; i < r->n; i++)
        DSC_TRY(import_node(im, r->nodes[i], err));
    return DSC_OK;
}

/* ---- errors ---- */

static enum dsc_status add_error(struct dsc_graph *g, enum dsc_pair_error kind, int layer,
                                 int value, int ref_value, struct dsc_err *err)
{
    char name[64];
    int out;

    snprintf(name, sizeof name, "%s%d", prefixes[kind], layer);
    return dsc_add_node(g, "", "Sub", name, 2, (int[]){value, ref_value}, &out, NULL, err);
}

static enum dsc_status add_run(const struct dsc_pair *p, struct dsc_graph *g, struct importer *run,
                               struct dsc_err *err)
{
    const struct dsc_graph *q = p->quant;

    DSC_TRY(open_importer(run, g, q, "run/", NULL, err));
    for (int i = 0; i < q->n_inputs; i++)
        run->in[q->inputs[i]] = p->ref_of[q->inputs[i]];
    for (int i = 0; i < q->n_nodes; i++)
        DSC_TRY(import_node(run, i, err));
    for (int i = 0; i < p->n_layers; i++)
        DSC_TRY(add_error(g, DSC_PAIR_RUN, i, run->out[p->layers[i].value], p->layers[i].ref_value,
                          err));
    return DSC_OK;
}

static enum dsc_status add_own(const struct dsc_pair *p, struct dsc_graph *g, struct dsc_err *err)
{
    struct importer own;
    struct dsc_region r;
    enum dsc_status st;

    DSC_TRY_OUT(st, dsc_region_init(&r, p->quant, p->ref_of, err));
    DSC_TRY_OUT(st, open_importer(&own, g, p->quant, "own/", p->ref_of, err));
    for (int i = 0; i < p->n_layers; i++) {
        const struct dsc_pair_layer *l = &p->layers[i];

        if (!l->is_quantized)
            continue;
        DSC_TRY_OUT(st, import_region(&own, &r, l->value, err));
        DSC_TRY_OUT(st, add_error(g, DSC_PAIR_OWN, i, own.out[l->value], l->ref_value, err));
    }
out:
    dsc_region_clear(&r);
    return st;
}

/* ---- order ---- */

struct order {
    struct dsc_graph *g;
    bool *is_placed;
    int *stack, *placed, n_placed;
};

/* A producer of the node that is not placed yet, or -1. */
static int missing(const struct order *o, const struct dsc_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        const int p = n->in[k] == DSC_NO_VALUE ? -1 : o->g->values[n->in[k]].producer;

        if (p >= 0 && !o->is_placed[p])
            return p;
    }
    return -1;
}

/* The node behind all that it needs. */
static void place(struct order *o, int node)
{
    int n = 0;

    if (o->is_placed[node])
        return;
    o->stack[n++] = node;
    while (n > 0) {
        const int top = o->stack[n - 1], before = missing(o, o->g->nodes[top]);

        if (before >= 0) {
            o->stack[n++] = before;
            continue;
        }
        o->is_placed[top] = true;
        o->placed[o->n_placed++] = top;
        n--;
    }
}

/* Errors stand right behind the value of ref that they need; what no error needs is removed. */
static enum dsc_status put_in_order(struct dsc_graph *g, int n_ref, const int *first_error,
                                    const int *next_error, struct dsc_err *err)
{
    struct order o = {.g = g};
    struct dsc_node **nodes;
    struct dsc_arena tmp;
    enum dsc_status st = DSC_OK;

    dsc_arena_init(&tmp);
    o.is_placed = dsc_arena_alloc(&tmp, (size_t)g->n_nodes, sizeof *o.is_placed, err);
    o.stack = dsc_arena_alloc(&tmp, (size_t)g->n_nodes + 1, sizeof *o.stack, err);
    o.placed = dsc_arena_alloc(&tmp, (size_t)g->n_nodes, sizeof *o.placed, err);
    nodes = dsc_arena_alloc(&tmp, (size_t)g->n_nodes, sizeof(struct dsc_node *), err);
    if (!o.is_placed || !o.stack || !o.placed || !nodes) {
        st = DSC_E_MEMORY;
        goto out;
    }
    for (int i = 0; i < n_ref; i++) {
        place(&o, i);
        for (int e = first_error[i]; e >= 0; e = next_error[e])
            place(&o, e);
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (!o.is_placed[i]) {
            dsc_graph_remove_node(g->nodes[i]);
            o.placed[o.n_placed++] = i;
        }
    for (int i = 0; i < g->n_nodes; i++)
        nodes[i] = g->nodes[o.placed[i]];
    memcpy(g->nodes, nodes, (size_t)g->n_nodes * sizeof *nodes);
    st = dsc_graph_sort(g, false, err);
out:
    dsc_arena_clear(&tmp);
    return st;
}

/* first[i]: the first error of a value that node i makes; next: the one after it. */
static enum dsc_status order_errors(struct dsc_graph *g, int n_ref, struct dsc_err *err)
{
    int *first, *next;

    DSC_NEW(first, &g->arena, n_ref, err);
    DSC_NEW(next, &g->arena, g->n_nodes, err);
    for (int i = 0; i < n_ref; i++)
        first[i] = -1;
    for (int i = g->n_nodes - 1; i >= n_ref; i--) {
        enum dsc_pair_error kind;
        int layer, maker;

        if (!dsc_pair_error_of(g->nodes[i], &kind, &layer))
            continue;
        maker = g->values[g->nodes[i]->in[1]].producer;
        next[i] = first[maker];
        first[maker] = i;
    }
    return put_in_order(g, n_ref, first, next, err);
}

/* Errors are found by their names. */
static enum dsc_status check_node_names(const struct dsc_graph *g, struct dsc_err *err)
{
    enum dsc_pair_error kind;
    int layer;

    for (int i = 0; i < g->n_nodes; i++)
        if (dsc_pair_error_of(g->nodes[i], &kind, &layer))
            return dsc_fail(err, DSC_E_UNSUPPORTED,
                            "a node named '%s': names that begin so are "
                            "for the errors of layers",
                            g->nodes[i]->name);
    return DSC_OK;
}

enum dsc_status dsc_pair_compare(const struct dsc_pair *pair, struct dsc_graph **graph,
                                 struct dsc_err *err)
{
    struct dsc_graph *g;
    int n_ref;
    struct importer run;
    enum dsc_status st;

    DSC_TRY(check_node_names(pair->ref, err));
    g = dsc_graph_copy(pair->ref, err);
    n_ref = g ? g->n_nodes : 0;
    if (!g)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, add_run(pair, g, &run, err));
    DSC_TRY_OUT(st, add_own(pair, g, err));
    DSC_TRY_OUT(st, dsc_graph_sort(g, false, err)); /* for the producers; the order stays */
    DSC_TRY_OUT(st, order_errors(g, n_ref, err));
    DSC_TRY_OUT(st, dsc_graph_verify(g, err));
    *graph = g;
    return DSC_OK;
out:
    dsc_graph_free(g);
    return st;
}

/* ---- layers that are float again ---- */

static enum dsc_status float_layers(const struct dsc_pair *p, struct dsc_graph *g,
                                    const bool *is_float, struct dsc_region *r, struct dsc_err *err)
{
    struct importer im;

    DSC_TRY(open_importer(&im, g, p->ref, "float/", p->quant_of, err));
    for (int i = 0; i < p->n_layers; i++) {
        const int value = p->layers[i].ref_value;

        if (!is_float[i])
            continue;
        DSC_TRY(import_region(&im, r, value, err));
        dsc_graph_replace_uses(g, im.in[value], im.out[value]);
        im.in[value] = im.out[value];
    }
    return DSC_OK;
}

enum dsc_status dsc_pair_mix(const struct dsc_pair *pair, const bool *is_float,
                             struct dsc_graph **graph, struct dsc_err *err)
{
    struct dsc_graph *g = dsc_graph_copy(pair->quant, err);
    struct dsc_region r = {0};
    enum dsc_status st;

    if (!g)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, dsc_region_init(&r, pair->ref, pair->quant_of, err));
    DSC_TRY_OUT(st, float_layers(pair, g, is_float, &r, err));
    DSC_TRY_OUT(st, dsc_graph_sort(g, true, err));
    DSC_TRY_OUT(st, dsc_graph_verify(g, err));
out:
    dsc_region_clear(&r);
    if (st == DSC_OK)
        *graph = g;
    else
        dsc_graph_free(g);
    return st;
}
