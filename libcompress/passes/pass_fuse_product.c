/*
 * What follows a product moves into its epilogue, where the tile is still in the cache:
 *
 *   Gelu, Relu, Sigmoid, Tanh of a planned product             ->  attribute act
 *   QuantizeLinear, dsc.ScaleQuantize of that, read by nobody else  ->  the product makes codes
 */
#include "ops/epilogue.h"
#include "passes/fuse.h"

enum { MUL, SCALE, ZERO, N_EPILOGUE };

int dsc_planned_bias(const struct dsc_node *n)
{
    return dsc_node_is(n, "dsc", "QGemm")        ? 6
           : dsc_node_is(n, "dsc", "QConv")      ? 6
           : dsc_node_is(n, "dsc", "CodeGemm")   ? 4
           : dsc_node_is(n, "dsc", "PackedGemm") ? 2
                                                 : -1;
}

/* Where the inputs of the epilogue start; 0: no product of the plan. */
static int epilogue_of(const struct dsc_node *product)
{
    return dsc_planned_bias(product) + 1;
}

/* The product that makes a value for one reader and has no codes yet. */
static struct dsc_node *product_of(const struct dsc_graph *g, int value)
{
    struct dsc_node *n = dsc_producer(g, value);

    return epilogue_of(n) > 0 && g->values[value].n_uses == 1 &&
                   !dsc_node_has_in(n, epilogue_of(n) + ZERO)
               ? n
               : NULL;
}

static enum dsc_status fuse_acts(struct dsc_graph *g, struct dsc_err *err)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *n = g->nodes[i], *product;
        const char *act = n->n_in == 1 ? dsc_epilogue_act(n) : NULL;

        product = act ? product_of(g, n->in[0]) : NULL;
        if (!product || dsc_node_attr(product, "act"))
            continue;
        DSC_TRY(dsc_node_set_string(g, product, "act", act, err));
        product->out[0] = n->out[0];
        dsc_graph_remove_node(n);
    }
    return dsc_graph_sort(g, true, err);
}

static enum dsc_status fuse_codes(struct dsc_graph *g, struct dsc_err *err)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *product;
        struct dsc_codes c;
        int first;

        if (!dsc_match_codes(g, g->nodes[i], &c))
            continue;
        product = product_of(g, c.x);
        if (!product || (c.mul != DSC_NO_VALUE && dsc_node_is(product, "dsc", "QConv")))
            continue;
        first = epilogue_of(product);
        DSC_TRY(dsc_node_grow(g, product, first + N_EPILOGUE, err));
        product->in[first + MUL] = c.mul;
        product->in[first + SCALE] = c.scale;
        product->in[first + ZERO] = c.zero;
        product->out[0] = c.node->out[0];
        dsc_graph_remove_node(c.node);
    }
    return dsc_graph_sort(g, true, err);
}

enum dsc_status dsc_pass_fuse_product(struct dsc_graph *g, struct dsc_err *err)
{
    DSC_TRY(fuse_acts(g, err));
    return fuse_codes(g, err);
}
