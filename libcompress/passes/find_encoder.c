/*
 * Attention and features by structure: from a product back over what only scales, masks or drops
 * to the node that is looked for.
 */
#include "dsc/encoder.h"
#include "dsc/prune.h"
#include "passes/rewrite.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 16 }; /* nodes between a product and what is behind it */

/* Element by element, and the shape stays. */
static bool passes_on(const struct dsc_node *n)
{
    static const char *const ops[] = {"Add", "Sub",      "Mul",  "Div", "Where", "Dropout",
                                      "Max", "Identity", "Cast", "Min", "Clip",  "IsNaN"};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (dsc_node_is(n, "", ops[i]))
            return true;
    return dsc_node_is(n, "dsc", "FakeQuantize");
}

/* Two products would not be the one: their number counts up. */
static const struct dsc_node *behind(const struct dsc_graph *g, int value, const char *op,
                                     int depth, int *n_found)
{
    const struct dsc_node *n = dsc_producer(g, value), *found = NULL;

    if (dsc_node_is(n, "", op)) {
        *n_found += 1;
        return n;
    }
    if (!passes_on(n) || depth == 0)
        return NULL;
    for (int k = 0; k < n->n_in; k++) {
        const struct dsc_node *one = behind(g, n->in[k], op, depth - 1, n_found);

        if (one && one == found)
            *n_found -= 1; /* by another way */
        found = one ? one : found;
    }
    return found;
}

static const struct dsc_node *only_behind(const struct dsc_graph *g, int value, const char *op)
{
    int n = 0;
    const struct dsc_node *found = behind(g, value, op, DEPTH_MAX, &n);

    return n == 1 ? found : NULL;
}

/* A number, constant or computed. */
static bool is_number(const struct dsc_graph *g, int value)
{
    const struct dsc_type *t = &g->values[value].type;

    return t->rank == 0 || (t->rank == 1 && t->dim[0] == 1);
}

static int before_factors(const struct dsc_graph *g, int value)
{
    for (int i = 0; i < DEPTH_MAX; i++) {
        const struct dsc_node *n = dsc_producer(g, value);
        const bool is_product = dsc_node_is(n, "", "Mul");

        if ((is_product || dsc_node_is(n, "", "Div")) && is_number(g, n->in[1]))
            value = n->in[0];
        else if (is_product && is_number(g, n->in[0]))
            value = n->in[1];
        else
            break;
    }
    return value;
}

static bool has_rank(const struct dsc_graph *g, int value, int rank)
{
    return g->values[value].type.rank == rank;
}

/* Is it the product of probabilities and values? */
static bool find_attention(const struct dsc_graph *g, const struct dsc_node *context,
                           struct dsc_encoder *e, int layer)
{
    const struct dsc_node *softmax, *scores;

    if (!dsc_node_is(context, "", "MatMul"))
        return false;
    softmax = only_behind(g, context->in[0], "Softmax");
    scores = softmax ? only_behind(g, softmax->in[0], "MatMul") : NULL;
    if (!scores || !has_rank(g, softmax->out[0], 4) || !has_rank(g, context->in[1], 4) ||
        !has_rank(g, scores->in[0], 4) || !has_rank(g, scores->in[1], 4))
        return false;
    e->value[DSC_TAP_PROBS][layer] = softmax->out[0];
    e->value[DSC_TAP_QUERY][layer] = before_factors(g, scores->in[0]);
    e->value[DSC_TAP_KEY][layer] = before_factors(g, scores->in[1]);
    e->value[DSC_TAP_VALUE][layer] = before_factors(g, context->in[1]);
    return true;
}

static enum dsc_status fill_layer(const struct dsc_graph *g, const struct dsc_prune_layer *l,
                                  struct dsc_encoder *e, int layer, struct dsc_arena *arena,
                                  struct dsc_err *err)
{
    char why[256];
    int n = 0;

    e->value[DSC_TAP_HIDDEN][layer] = l->out;
    for (int i = l->first_node; i <= l->last_node; i++)
        n += find_attention(g, g->nodes[i], e, layer);
    if (n == 1)
        return DSC_OK;
    for (int tap = DSC_TAP_PROBS; tap <= DSC_TAP_VALUE; tap++)
        e->value[tap][layer] = DSC_NO_VALUE;
    snprintf(why, sizeof why,
             "layer %d (%.100s) has %d Softmax between two MatMul of rank 4, not one", layer,
             l->name, n);
    e->why[layer] = dsc_arena_strdup(arena, why, err);
    return e->why[layer] ? DSC_OK : DSC_E_MEMORY;
}

static int features_of(const struct dsc_graph *g, int logits)
{
    static const char *const products[] = {"Gemm", "MatMul"};

    for (int i = 0; i < 2; i++) {
        const struct dsc_node *n = only_behind(g, logits, products[i]);
        const struct dsc_node *drop = n ? dsc_producer(g, n->in[0]) : NULL;

        if (n && has_rank(g, n->in[0], 2))
            return dsc_node_is(drop, "", "Dropout") || dsc_node_is(drop, "", "Identity")
                       ? drop->in[0]
                       : n->in[0];
    }
    return DSC_NO_VALUE;
}

enum dsc_status dsc_encoder_find(const struct dsc_graph *g, int output, struct dsc_arena *arena,
                                 struct dsc_encoder *e, struct dsc_err *err)
{
    struct dsc_prune_layers layers;
    struct dsc_err none = {0};
    const enum dsc_status st = dsc_prune_find_layers(g, arena, &layers, &none);
    const size_t n = (size_t)layers.n + 1;

    if (st != DSC_OK && st != DSC_E_UNSUPPORTED) {
        *err = none;
        return st;
    }
    *e = (struct dsc_encoder){.n_layers = layers.n};
    DSC_NEW(e->why, arena, n, err);
    for (int tap = 0; tap < DSC_N_TAPS; tap++) {
        DSC_NEW(e->value[tap], arena, n, err);
        for (size_t i = 0; i < n; i++)
            e->value[tap][i] = DSC_NO_VALUE;
    }
    e->value[DSC_TAP_FEATURES][0] = features_of(g, g->outputs[output]);
    if (layers.n == 0) {
        e->why[0] = dsc_arena_strdup(arena, none.message, err);
        return e->why[0] ? DSC_OK : DSC_E_MEMORY;
    }
    e->value[DSC_TAP_HIDDEN][0] = layers.items[0].in;
    for (int i = 0; i < layers.n; i++)
        DSC_TRY(fill_layer(g, &layers.items[i], e, i + 1, arena, err));
    return DSC_OK;
}
