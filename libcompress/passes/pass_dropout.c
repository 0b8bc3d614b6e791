/*
 * Dropout where the training of BERT-like encoders has it, which no inference export keeps:
 *
 *   after the LayerNorm of the embeddings     norm(sum of lookups)
 *   on attention probabilities                Softmax that reaches a product of two activations
 *   before residual sums                      x + dense(.. x ..): attention output and feed-forward
 *   before the classifier                     the dense layer that makes a graph output
 *
 * The places are derived from the structure alone: names differ from exporter to exporter.
 * Devlin et al. 2019, arXiv:1810.04805.
 */
#include "dsc/pass.h"
#include "passes/rewrite.h"

#include <stdio.h>
#include <string.h>

enum { IS_LIVE = 1, HAS_TABLE = 2, HAS_PRODUCT = 4 };

struct place {
    struct dsc_node *node; /* its input `k` gets dropout; NULL: all uses of `value` do */
    int k, value;
};

struct finder {
    struct dsc_graph *g;
    unsigned char *flags; /* [n_values] what a value depends on */
    bool *is_seen;        /* [n_values], and stack: scratch of searches */
    int *stack, n_stack;
    struct place *places; /* [3 * n_nodes + n_outputs] */
    int n_places;
};

static bool is_live(const struct finder *f, int value)
{
    return value != DSC_NO_VALUE && f->flags[value] & IS_LIVE;
}

static bool is_one_of(const struct dsc_node *n, const char *const *names, size_t n_names)
{
    for (size_t i = 0; n && i < n_names; i++)
        if (dsc_node_is(n, "", names[i]) || dsc_node_is(n, "dsc", names[i]))
            return true;
    return false;
}

/* Operators that hand on what a layer computed. */
static bool hands_on(const struct dsc_node *n)
{
    static const char *const names[] = {"Reshape", "Cast",      "Identity",    "Squeeze",
                                        "Flatten", "Unsqueeze", "FakeQuantize"};

    return is_one_of(n, names, sizeof names / sizeof names[0]);
}

static bool is_product(const struct dsc_node *n)
{
    static const char *const names[] = {"MatMul", "Gemm", "Einsum", "Conv"};

    return is_one_of(n, names, sizeof names / sizeof names[0]);
}

static void set_flags(struct finder *f)
{
    const struct dsc_graph *g = f->g;

    for (int i = 0; i < g->n_inputs; i++)
        f->flags[g->inputs[i]] = IS_LIVE;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];
        unsigned all = 0;

        for (int k = 0; k < n->n_in; k++)
            all |= n->in[k] == DSC_NO_VALUE ? 0 : f->flags[n->in[k]];
        if (dsc_node_is(n, "", "Gather") && !is_live(f, n->in[0]) && all & IS_LIVE &&
            dsc_dtype_is_float(g->values[n->in[0]].type.dtype))
            all |= HAS_TABLE;
        if (is_product(n) && all & IS_LIVE)
            all |= HAS_PRODUCT;
        for (int k = 0; k < n->n_out; k++)
            if (n->out[k] != DSC_NO_VALUE)
                f->flags[n->out[k]] |= (unsigned char)all;
    }
}

/* Product of one activation and a weight, or NULL. */
static struct dsc_node *as_layer(const struct finder *f, struct dsc_node *n)
{
    const bool is_pair = n && is_product(n) && !dsc_node_is(n, "", "Conv") && n->n_in >= 2;

    return is_pair && is_live(f, n->in[0]) && !is_live(f, n->in[1]) ? n : NULL;
}

/* The product of the dense layer (with or without a bias) whose result the value is, or NULL. */
static struct dsc_node *dense_of(const struct finder *f, int value)
{
    struct dsc_node *n = dsc_producer(f->g, value);
    bool has_bias = false;

    while (n) {
        if (hands_on(n)) {
            n = dsc_producer(f->g, n->in[0]);
        } else if (dsc_node_is(n, "", "Add") && !has_bias &&
                   is_live(f, n->in[0]) != is_live(f, n->in[1])) {
            has_bias = true;
            n = dsc_producer(f->g, is_live(f, n->in[0]) ? n->in[0] : n->in[1]);
        } else {
            return as_layer(f, n);
        }
    }
    return NULL;
}

/* A value to look at, once. */
static void push(struct finder *f, int value)
{
    if (value == DSC_NO_VALUE || f->is_seen[value])
        return;
    f->is_seen[value] = true;
    f->stack[f->n_stack++] = value;
}

static void start(struct finder *f, int value)
{
    memset(f->is_seen, 0, (size_t)f->g->n_values * sizeof *f->is_seen);
    f->n_stack = 0;
    push(f, value);
}

static bool is_ancestor(struct finder *f, int value, int of)
{
    start(f, of);
    while (f->n_stack > 0) {
        const int v = f->stack[--f->n_stack];
        const struct dsc_node *n = dsc_producer(f->g, v);

        if (v == value)
            return true;
        for (int k = 0; n && k < n->n_in; k++)
            push(f, n->in[k]);
    }
    return false;
}

static void add_place(struct finder *f, struct dsc_node *node, int k, int value)
{
    f->places[f->n_places++] = (struct place){node, k, value};
}

/* LayerNormalization, or the last sum of its plain spelling: (x - mean) / deviation * gain + bias.
 */
static bool is_norm(const struct finder *f, const struct dsc_node *n)
{
    const struct dsc_node *scaled, *ratio;

    if (dsc_node_is(n, "", "LayerNormalization"))
        return true;
    if (!dsc_node_is(n, "", "Add") || is_live(f, n->in[0]) == is_live(f, n->in[1]))
        return false;
    scaled = dsc_producer(f->g, is_live(f, n->in[0]) ? n->in[0] : n->in[1]);
    if (!dsc_node_is(scaled, "", "Mul") || is_live(f, scaled->in[0]) == is_live(f, scaled->in[1]))
        return false;
    ratio = dsc_producer(f->g, is_live(f, scaled->in[0]) ? scaled->in[0] : scaled->in[1]);
    return dsc_node_is(ratio, "", "Div") && is_live(f, ratio->in[0]) && is_live(f, ratio->in[1]);
}

/* Does some node take the value as a factor beside another activation? Else, on it goes. */
static bool is_factor(struct finder *f, const struct dsc_node *n, int value)
{
    for (int k = 0; k < n->n_in; k++) {
        if (n->in[k] != value)
            continue;
        if (is_product(n) && n->n_in >= 2 && is_live(f, n->in[0]) && is_live(f, n->in[1]))
            return true;
        if ((hands_on(n) && k == 0) || (dsc_node_is(n, "", "Where") && k > 0))
            push(f, n->out[0]);
    }
    return false;
}

static bool feeds_product(struct finder *f, int value)
{
    start(f, value);
    while (f->n_stack > 0) {
        const int v = f->stack[--f->n_stack];

        for (int i = 0; i < f->g->n_nodes; i++)
            if (is_factor(f, f->g->nodes[i], v))
                return true;
    }
    return false;
}

static void find_encoder(struct finder *f, struct dsc_dropout_places *found)
{
    for (int i = 0; i < f->g->n_nodes; i++) {
        struct dsc_node *n = f->g->nodes[i];
        const unsigned flags = n->n_out > 0 && n->out[0] >= 0 ? f->flags[n->out[0]] : 0;

        if (flags & HAS_TABLE && !(flags & HAS_PRODUCT) && is_norm(f, n)) {
            add_place(f, NULL, 0, n->out[0]);
            found->n_embeddings++;
        }
        if (dsc_node_is(n, "", "Softmax") && feeds_product(f, n->out[0])) {
            add_place(f, NULL, 0, n->out[0]);
            found->n_attention++;
        }
        if (!dsc_node_is(n, "", "Add") || !is_live(f, n->in[0]) || !is_live(f, n->in[1]))
            continue;
        for (int k = 0; k < 2; k++) {
            const struct dsc_node *layer = dense_of(f, n->in[k]);

            if (!layer || !is_ancestor(f, n->in[1 - k], layer->in[0]))
                continue;
            add_place(f, n, k, n->in[k]);
            found->n_residual++;
            break;
        }
    }
}

static void find_classifier(struct finder *f, struct dsc_dropout_places *found)
{
    for (int i = 0; i < f->g->n_outputs; i++) {
        struct dsc_node *layer = dense_of(f, f->g->outputs[i]);

        if (!layer || f->g->values[layer->in[0]].is_input ||
            dsc_node_is(dsc_producer(f->g, layer->in[0]), "", "Dropout"))
            continue;
        add_place(f, layer, 0, layer->in[0]);
        found->n_classifier++;
    }
}

/* An earlier place may have given the input a dropout of its own: that one is read here, too. */
static enum dsc_status put(struct finder *f, const struct place *p, int ratio, struct dsc_err *err)
{
    const int value = p->node ? p->node->in[p->k] : p->value;
    const struct dsc_node *maker = dsc_producer(f->g, value);
    const char *own = p->node ? p->node->name : maker ? maker->name : "input";
    struct dsc_node *added;
    char name[300];
    int y;

    snprintf(name, sizeof name, "%.280s/dropout", own);
    DSC_TRY(dsc_add_node(f->g, "", "Dropout", name, 2, (int[]){value, ratio}, &y, &added, err));
    if (p->node) {
        dsc_set_in(p->node, p->k, y);
        return DSC_OK;
    }
    dsc_graph_replace_uses(f->g, value, y);
    dsc_set_in(added, 0, value); /* that was a use as well */
    return DSC_OK;
}

/* Nodes that the file has get the rate too, unless it says more of them. True: of an encoder. */
static bool set_rates(struct finder *f, int ratio, struct dsc_dropout_places *found)
{
    struct dsc_node *head = NULL;

    for (int i = 0; i < f->g->n_outputs; i++) {
        struct dsc_node *layer = dense_of(f, f->g->outputs[i]);

        if (layer && dsc_node_is(dsc_producer(f->g, layer->in[0]), "", "Dropout"))
            head = dsc_producer(f->g, layer->in[0]);
    }
    for (int i = 0; i < f->g->n_nodes; i++) {
        struct dsc_node *n = f->g->nodes[i];

        if (!dsc_node_is(n, "", "Dropout"))
            continue;
        if (dsc_node_has_in(n, 1))
            dsc_set_in(n, 1, ratio);
        found->n_set += n != head;
        found->n_classifier += n == head;
    }
    return found->n_set > 0;
}

static enum dsc_status put_all(struct finder *f, int ratio, struct dsc_dropout_places *found,
                               struct dsc_err *err)
{
    find_encoder(f, found);
    find_classifier(f, found);
    for (int i = 0; i < f->n_places; i++)
        DSC_TRY(put(f, &f->places[i], ratio, err));
    if (found->n_embeddings + found->n_attention + found->n_residual + found->n_classifier > 0)
        return dsc_graph_sort(f->g, false, err);
    dsc_fail(err, DSC_E_UNSUPPORTED, "the graph has no place for dropout");
    dsc_err_hint(err, "looked for: LayerNorm of embeddings, Softmax before a product, a dense "
                      "layer before a residual sum or an output");
    return DSC_E_UNSUPPORTED;
}

enum dsc_status dsc_pass_put_dropout(struct dsc_graph *g, double rate,
                                     struct dsc_dropout_places *found, struct dsc_err *err)
{
    struct finder f = {.g = g};
    struct dsc_tensor t;
    int ratio;
    enum dsc_status st;

    *found = (struct dsc_dropout_places){0};
    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 0, NULL, err));
    dsc_tensor_set_f64(&t, 0, rate);
    st = dsc_add_init(g, "dropout.ratio", &t, &ratio, err);
    dsc_tensor_clear(&t);
    DSC_TRY(st);
    DSC_NEW(f.flags, &g->arena, g->n_values, err);
    DSC_NEW(f.is_seen, &g->arena, g->n_values, err);
    DSC_NEW(f.stack, &g->arena, g->n_values, err);
    DSC_NEW(f.places, &g->arena, 3 * g->n_nodes + g->n_outputs + 1, err);
    set_flags(&f);
    return set_rates(&f, ratio, found) ? dsc_graph_sort(g, false, err)
                                       : put_all(&f, ratio, found, err);
}
