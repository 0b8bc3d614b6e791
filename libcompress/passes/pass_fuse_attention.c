/*
 * Attention as exporters spell it, to one operator that never has all scores at once:
 *
 *   Transpose 0213 (MatMul (Softmax (scale * MatMul(q', k') + biases), v'))  ->  dsc.Attention
 *
 * q', v' are q, v [B,L,H,d] with heads moved forward (0213), k' is turned (0231), by one Transpose
 * or several; factors may stand at q', k' or at the scores. Scores and probabilities must have no
 * other reader, and all sizes must be known to fit: a product that broadcasts stays as it is.
 *
 * Sums run in another order than the BLAS's, which moves results by some 1e-7 of the largest.
 */
#include "passes/fuse.h"

#include <stdio.h>

struct match {
    int q, k, v, n_biases, bias[2];
    float scale;
    struct dsc_node *last;
};

/* Sizes of two axes are known to be equal. */
static bool same_size(int64_t a, int64_t b)
{
    return a == b && a != DSC_DIM_UNKNOWN;
}

/* A factor that is one constant number. */
static bool is_factor(const struct dsc_graph *g, const struct dsc_node *n, int k, float *v)
{
    const struct dsc_tensor *t = dsc_constant(g, n->in[k]);

    if (!t || t->dtype != DSC_F32 || dsc_tensor_n_elems(t) != 1 || t->rank > 1)
        return false;
    *v = *(const float *)t->data;
    return true;
}

/* Multiplied or divided by a number: the other operand, and the number times *scale. */
static int before_factor(const struct dsc_graph *g, int value, float *scale)
{
    const struct dsc_node *n = dsc_producer(g, value);
    float v;

    if (dsc_node_is(n, "", "Mul"))
        for (int k = 0; k < 2; k++)
            if (is_factor(g, n, k, &v)) {
                *scale *= v;
                return n->in[1 - k];
            }
    if (dsc_node_is(n, "", "Div") && is_factor(g, n, 1, &v)) {
        *scale /= v;
        return n->in[0];
    }
    return DSC_NO_VALUE;
}

/* Without a known rank nothing has checked the axes. */
static bool is_perm_of_4(const struct dsc_node *n, const int64_t **p)
{
    if (dsc_node_ints(n, "perm", p) != 4)
        return false;
    for (int i = 0; i < 4; i++)
        if ((*p)[i] < 0 || (*p)[i] > 3)
            return false;
    return true;
}

/* What comes to `value` by way of Transposes that are `want` together, and of factors. */
static bool match_heads(const struct dsc_graph *g, int value, const int want[4], int *from,
                        float *scale)
{
    int perm[4] = {0, 1, 2, 3};

    for (;;) {
        const struct dsc_node *n = dsc_producer(g, value);
        const int inner = before_factor(g, value, scale);
        const int64_t *p;

        if (inner != DSC_NO_VALUE) {
            value = inner;
            continue;
        }
        if (!dsc_node_is(n, "", "Transpose") || !is_perm_of_4(n, &p))
            break;
        for (int i = 0; i < 4; i++)
            perm[i] = (int)p[perm[i]];
        value = n->in[0];
    }
    *from = value;
    for (int i = 0; i < 4; i++)
        if (perm[i] != want[i])
            return false;
    return g->values[value].type.dtype == DSC_F32 && g->values[value].type.rank == 4;
}

/* A bias stretches to the scores, and does not stretch them. */
static bool is_bias(const struct dsc_graph *g, int value, const struct dsc_type *scores)
{
    const struct dsc_type *t = &g->values[value].type;

    if (t->dtype != DSC_F32 || t->rank < 0 || t->rank > 4 || scores->rank != 4)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != 1 && !same_size(t->dim[i], scores->dim[4 - t->rank + i]))
            return false;
    return true;
}

/* Back from the input of Softmax over Adds of biases; the last one added is found first. */
static int match_biases(const struct dsc_graph *g, int value, struct match *m)
{
    int found[2];

    for (m->n_biases = 0; m->n_biases < 2; m->n_biases++) {
        const struct dsc_node *n = dsc_producer(g, value);
        int k;

        if (!dsc_node_is(n, "", "Add") || g->values[value].n_uses != 1)
            break;
        /* scores are made by a product, a factor or another sum; a bias is small or constant */
        k = is_bias(g, n->in[1], &g->values[n->in[0]].type) && g->values[n->in[0]].n_uses == 1 &&
                    dsc_producer(g, n->in[0])
                ? 1
                : 0;
        if (!is_bias(g, n->in[k], &g->values[n->in[1 - k]].type))
            break;
        found[m->n_biases] = n->in[k];
        value = n->in[1 - k];
    }
    for (int i = 0; i < m->n_biases; i++)
        m->bias[i] = found[m->n_biases - 1 - i];
    return value;
}

static bool fits(const struct dsc_graph *g, const struct match *m)
{
    const int64_t *q = g->values[m->q].type.dim, *k = g->values[m->k].type.dim;
    const int64_t *v = g->values[m->v].type.dim;

    return same_size(q[0], k[0]) && same_size(q[0], v[0]) && same_size(q[2], k[2]) &&
           same_size(q[2], v[2]) && same_size(q[3], k[3]) && same_size(k[1], v[1]);
}

static bool has_perm(const struct dsc_node *n, const int want[4])
{
    const int64_t *p;

    if (dsc_node_ints(n, "perm", &p) != 4)
        return false;
    for (int i = 0; i < 4; i++)
        if (p[i] != want[i])
            return false;
    return true;
}

static bool match_attention(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    static const int swap[] = {0, 2, 1, 3}, turn[] = {0, 2, 3, 1};
    const struct dsc_node *context, *softmax, *product;
    float one = 1;
    int value, inner;

    *m = (struct match){.last = n, .scale = 1};
    context = n->op && n->n_in == 1 ? dsc_producer(g, n->in[0]) : NULL;
    if (!dsc_node_is(n, "", "Transpose") || !dsc_node_is(context, "", "MatMul") ||
        g->values[n->in[0]].n_uses != 1 || !has_perm(n, swap))
        return false;
    softmax = dsc_producer(g, context->in[0]);
    if (!dsc_node_is(softmax, "", "Softmax") || g->values[context->in[0]].n_uses != 1 ||
        (dsc_node_int(softmax, "axis", -1) != -1 && dsc_node_int(softmax, "axis", -1) != 3) ||
        !match_heads(g, context->in[1], swap, &m->v, &one) || one != 1.0f)
        return false;
    value = match_biases(g, softmax->in[0], m);
    while (g->values[value].n_uses == 1 &&
           (inner = before_factor(g, value, &m->scale)) != DSC_NO_VALUE)
        value = inner;
    product = dsc_producer(g, value);
    return dsc_node_is(product, "", "MatMul") && g->values[value].n_uses == 1 &&
           match_heads(g, product->in[0], swap, &m->q, &m->scale) &&
           match_heads(g, product->in[1], turn, &m->k, &m->scale) && fits(g, m);
}

static enum dsc_status fuse(struct dsc_graph *g, const struct match *m, struct dsc_err *err)
{
    const int in[] = {m->q, m->k, m->v, m->bias[0], m->bias[1]};
    struct dsc_node *n;
    char name[300];

    snprintf(name, sizeof name, "%.280s/attention", m->last->name);
    DSC_TRY(dsc_graph_node(g, dsc_op_find("dsc", "Attention"), name, 3 + m->n_biases, in, 1,
                           m->last->out, &n, err));
    DSC_TRY(dsc_node_set_float(g, n, "scale", m->scale, err));
    dsc_graph_remove_node(m->last);
    return DSC_OK;
}

enum dsc_status dsc_pass_fuse_attention(struct dsc_graph *g, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct match m;

        if (match_attention(g, g->nodes[i], &m))
            DSC_TRY(fuse(g, &m, err));
    }
    return dsc_graph_sort(g, true, err);
}
