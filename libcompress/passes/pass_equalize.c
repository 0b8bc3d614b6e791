/*
 * Cross-layer equalization (Nagel et al. 2019, arXiv:1906.04721, section 4.1): between two linear
 * layers with f(s x) = s f(x), s > 0, between them, channels are scaled so that each has the same
 * range in both weights,
 *
 *   W1' = S^-1 W1, b1' = S^-1 b1, W2' = W2 S,  s = sqrt(r1 / r2)
 *
 * r1 being the channel's largest magnitude in W1, r2 that in all the layers that read it. Layers of
 * a chain change each other's ranges: scales are found over the original weights until they rest,
 * and applied once.
 */
#include "dsc/pass.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

enum { MAX_SWEEPS = 200 };

#define AT_REST 1e-4 /* of the logarithm of a step: less moves no code */

/* A product with a constant f32 weight that nobody else reads. */
struct layer {
    struct dsc_node *node;
    const struct dsc_tensor *w;
    bool is_trans;
};

struct pair {
    struct layer first;
    int bias, from, to; /* value numbers: of `first` with its bias, and what the readers read */
    int64_t n;          /* channels */
    double *s;
};

struct pairs {
    struct dsc_graph *g;
    struct pair *p;
    int n;
};

static bool match_layer(const struct dsc_graph *g, struct dsc_node *n, struct layer *l)
{
    if (!n->op || !dsc_is_plain_product(n))
        return false;
    *l = (struct layer){n, dsc_constant(g, n->in[1]),
                        dsc_node_is(n, "", "Gemm") && dsc_node_int(n, "transB", 0) != 0};
    return l->w && l->w->dtype == DSC_F32 && l->w->rank == 2 && g->values[n->in[1]].n_uses == 1;
}

static int64_t n_outputs(const struct layer *l)
{
    return l->w->dim[!l->is_trans];
}

/* Element [k, j] of the weight as [K,N]. */
static int64_t at(const struct layer *l, int64_t k, int64_t j)
{
    return l->is_trans ? j * l->w->dim[1] + k : k * l->w->dim[1] + j;
}

static bool is_own_row(const struct dsc_graph *g, int value, int64_t n)
{
    const struct dsc_tensor *t = dsc_constant(g, value);

    return t && t->dtype == DSC_F32 && t->rank == 1 && t->dim[0] == n &&
           g->values[value].n_uses == 1;
}

/* The only reader of a value, or NULL. */
static struct dsc_node *reader_of(const struct dsc_graph *g, int value)
{
    if (g->values[value].n_uses != 1 || g->values[value].is_output)
        return NULL;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_in; k++)
            if (g->nodes[i]->in[k] == value)
                return g->nodes[i];
    return NULL;
}

/* The bias in the product, or in an Add behind it; false where it cannot be scaled. */
static bool find_bias(const struct dsc_graph *g, struct pair *p)
{
    const struct dsc_node *n = p->first.node, *add;

    p->from = n->out[0];
    p->bias = dsc_node_has_in(n, 2) ? n->in[2] : DSC_NO_VALUE;
    if (p->bias != DSC_NO_VALUE)
        return is_own_row(g, p->bias, p->n);
    add = reader_of(g, p->from);
    if (!dsc_node_is(add, "", "Add"))
        return true;
    p->bias = add->in[add->in[0] == p->from];
    p->from = add->out[0];
    return is_own_row(g, p->bias, p->n);
}

static int64_t last_dim(const struct dsc_graph *g, int value)
{
    const struct dsc_type *t = &g->values[value].type;

    return t->rank > 0 ? t->dim[t->rank - 1] : -1;
}

/* f(s x) = s f(x) for every s > 0 of a channel; a Reshape that keeps channels the last axis. */
static bool is_homogeneous(const struct dsc_graph *g, const struct dsc_node *n, int x,
                           int64_t n_channels)
{
    static const char *const names[] = {"Relu", "LeakyRelu", "PRelu", "Identity", "Dropout"};

    if (!n || n->in[0] != x || n->n_out != 1)
        return false;
    if (dsc_node_is(n, "", "Reshape"))
        return last_dim(g, x) == n_channels && last_dim(g, n->out[0]) == n_channels;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (dsc_node_is(n, "", names[i]))
            return true;
    return false;
}

/* All that read the pair's channels are layers, at least one. */
static bool has_readers(const struct dsc_graph *g, const struct pair *p)
{
    int n_readers = 0;

    for (int i = 0; i < g->n_nodes; i++) {
        struct layer l;

        for (int k = 0; k < g->nodes[i]->n_in; k++) {
            if (g->nodes[i]->in[k] != p->to)
                continue;
            if (k != 0 || !match_layer(g, g->nodes[i], &l) || l.w->dim[l.is_trans] != p->n)
                return false;
            n_readers++;
        }
    }
    return n_readers > 0 && !g->values[p->to].is_output;
}

static bool match_pair(const struct dsc_graph *g, struct dsc_node *n, struct pair *p)
{
    const struct dsc_node *next;

    *p = (struct pair){0};
    if (!match_layer(g, n, &p->first))
        return false;
    p->n = n_outputs(&p->first);
    if (!find_bias(g, p) || last_dim(g, p->from) != p->n)
        return false;
    p->to = p->from;
    while (is_homogeneous(g, next = reader_of(g, p->to), p->to, p->n))
        p->to = next->out[0];
    return has_readers(g, p);
}

int dsc_pass_equalizable(const struct dsc_graph *g)
{
    struct pair p;
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        n += match_pair(g, g->nodes[i], &p);
    return n;
}

/* ---- scales ---- */

/* The scales of a layer's inputs or outputs; NULL: none. */
static const double *scales_of_inputs(const struct pairs *a, const struct dsc_node *n)
{
    for (int i = 0; i < a->n; i++)
        if (a->p[i].to == n->in[0])
            return a->p[i].s;
    return NULL;
}

static const double *scales_of_outputs(const struct pairs *a, const struct dsc_node *n)
{
    for (int i = 0; i < a->n; i++)
        if (a->p[i].first.node == n)
            return a->p[i].s;
    return NULL;
}

static double scaled(const struct layer *l, int64_t k, int64_t j, const double *in,
                     const double *out)
{
    const double w = (double)((const float *)l->w->data)[at(l, k, j)];

    return w * (in ? in[k] : 1) / (out ? out[j] : 1);
}

/* most[i] = largest magnitude of each channel, of the outputs or of the inputs of a layer. */
static void add_ranges(const struct pairs *a, const struct layer *l, bool is_of_outputs,
                       double *most)
{
    const double *in = scales_of_inputs(a, l->node), *out = scales_of_outputs(a, l->node);
    const int64_t n_k = l->w->dim[l->is_trans], n_j = n_outputs(l);

    for (int64_t k = 0; k < n_k; k++)
        for (int64_t j = 0; j < n_j; j++) {
            double *m = &most[is_of_outputs ? j : k];

            *m = fmax(*m, fabs(scaled(l, k, j, in, out)));
        }
}

/* One pair made even; returns the largest step. A channel without weights on a side stays. */
static double even_out(const struct pairs *a, struct pair *p, double *r1, double *r2)
{
    double step = 0;

    memset(r1, 0, (size_t)p->n * sizeof *r1);
    memset(r2, 0, (size_t)p->n * sizeof *r2);
    add_ranges(a, &p->first, true, r1);
    for (int i = 0; i < a->g->n_nodes; i++) {
        struct layer l;

        if (a->g->nodes[i]->n_in > 1 && a->g->nodes[i]->in[0] == p->to &&
            match_layer(a->g, a->g->nodes[i], &l))
            add_ranges(a, &l, false, r2);
    }
    for (int64_t j = 0; j < p->n; j++) {
        const double s = r1[j] > 0 && r2[j] > 0 ? sqrt(r1[j] / r2[j]) : 1;

        if (!isfinite(s) || s <= 0)
            continue;
        p->s[j] *= s;
        step = fmax(step, fabs(log(s)));
    }
    return step;
}

/* ---- the graph ---- */

static enum dsc_status scale_weight(struct pairs *a, const struct layer *l, struct dsc_err *err)
{
    const double *in = scales_of_inputs(a, l->node), *out = scales_of_outputs(a, l->node);
    struct dsc_tensor t;
    enum dsc_status st;

    if (!in && !out)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 2, l->w->dim, err));
    for (int64_t k = 0; k < l->w->dim[l->is_trans]; k++)
        for (int64_t j = 0; j < n_outputs(l); j++)
            ((float *)t.data)[at(l, k, j)] = (float)scaled(l, k, j, in, out);
    st = dsc_graph_set_init(a->g, l->node->in[1], &t, err);
    dsc_tensor_clear(&t);
    return st;
}

static enum dsc_status scale_bias(struct pairs *a, const struct pair *p, struct dsc_err *err)
{
    const struct dsc_tensor *b;
    struct dsc_tensor t;
    enum dsc_status st;

    if (p->bias == DSC_NO_VALUE)
        return DSC_OK;
    b = dsc_constant(a->g, p->bias);
    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 1, &p->n, err));
    for (int64_t j = 0; j < p->n; j++)
        ((float *)t.data)[j] = (float)((double)((const float *)b->data)[j] / p->s[j]);
    st = dsc_graph_set_init(a->g, p->bias, &t, err);
    dsc_tensor_clear(&t);
    return st;
}

static enum dsc_status apply(struct pairs *a, struct dsc_err *err)
{
    for (int i = 0; i < a->g->n_nodes; i++) {
        struct layer l;

        if (match_layer(a->g, a->g->nodes[i], &l))
            DSC_TRY(scale_weight(a, &l, err));
    }
    for (int i = 0; i < a->n; i++)
        DSC_TRY(scale_bias(a, &a->p[i], err));
    return DSC_OK;
}

/* Scales that rest, found on the weights as they are. */
static bool find_scales(struct pairs *a, double *r1, double *r2)
{
    bool is_changed = false;

    for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
        double step = 0;

        for (int i = 0; i < a->n; i++)
            step = fmax(step, even_out(a, &a->p[i], r1, r2));
        if (step < AT_REST)
            break;
        is_changed = true;
    }
    return is_changed;
}

static enum dsc_status collect(struct pairs *a, int64_t *n_most, struct dsc_err *err)
{
    struct pair p;

    for (int i = 0; i < a->g->n_nodes; i++) {
        if (!match_pair(a->g, a->g->nodes[i], &p))
            continue;
        p.s = dsc_heap_alloc((size_t)p.n + 1, sizeof *p.s, err);
        if (!p.s)
            return DSC_E_MEMORY;
        for (int64_t j = 0; j < p.n; j++)
            p.s[j] = 1;
        *n_most = p.n > *n_most ? p.n : *n_most;
        a->p[a->n++] = p;
    }
    return DSC_OK;
}

enum dsc_status dsc_pass_equalize(struct dsc_graph *g, int *n_pairs, struct dsc_err *err)
{
    struct pairs a = {.g = g};
    double *ranges = NULL;
    int64_t n_most = 0;
    enum dsc_status st;

    a.p = dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *a.p, err);
    if (!a.p)
        return DSC_E_MEMORY;
    st = collect(&a, &n_most, err);
    if (st == DSC_OK && !(ranges = dsc_heap_alloc((size_t)n_most + 1, 2 * sizeof *ranges, err)))
        st = DSC_E_MEMORY;
    if (st == DSC_OK && find_scales(&a, ranges, ranges + n_most))
        st = apply(&a, err);
    *n_pairs = a.n;
    for (int i = 0; i < a.n; i++)
        dsc_heap_free(a.p[i].s);
    dsc_heap_free(ranges);
    dsc_heap_free(a.p);
    return st;
}
