/*
 * BatchNormalization into the product in front of it: for a Gemm, a MatMul of matrices, a Conv or a
 * ConvTranspose whose constant weight nobody else reads,
 *
 *     ((x W + b) - mean) a + B  =  x (W a) + ((b - mean) a + B),   a = scale / sqrt(var + epsilon)
 *
 * by output channel. Sums in f64. Jacob et al. 2018, arXiv:1712.05877, section 3.2.
 */
#include "dsc/pass.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdio.h>

/* A product that can take it. Element i of the weight belongs to output channel
 * i / outer * n_inner + i / inner % n_inner, of n. */
struct folding {
    struct dsc_node *product, *norm;
    const struct dsc_tensor *weight, *bias; /* bias NULL: none */
    int64_t outer, n_inner, inner, n;
};

static bool is_one(const struct dsc_node *n, const char *name)
{
    return !(dsc_node_float(n, name, 1) < 1) && !(dsc_node_float(n, name, 1) > 1);
}

/* An f32 constant that one node alone reads. */
static const struct dsc_tensor *own_constant(const struct dsc_graph *g, int value)
{
    const struct dsc_tensor *t = dsc_constant(g, value);

    return t && t->dtype == DSC_F32 && g->values[value].n_uses == 1 && !g->values[value].is_output
               ? t
               : NULL;
}

static bool has_statistics(const struct dsc_graph *g, const struct dsc_node *norm, int64_t n)
{
    for (int k = 1; k < 5; k++) {
        const struct dsc_tensor *t = dsc_constant(g, norm->in[k]);

        if (!t || t->dtype != DSC_F32 || dsc_tensor_n_elems(t) != n)
            return false;
    }
    return true;
}

/* Channels along axis 0, along axis 1, or, by groups of inputs, along axis 1 in each of them. */
static void set_channels(struct folding *f, bool is_first, int64_t n_groups)
{
    const struct dsc_tensor *w = f->weight;
    const int64_t n_elems = dsc_tensor_n_elems(w);

    if (is_first) {
        f->n = f->n_inner = w->dim[0];
        f->inner = n_elems / (f->n > 0 ? f->n : 1);
        f->outer = n_elems;
        return;
    }
    f->n_inner = w->dim[1];
    f->n = f->n_inner * n_groups;
    f->inner = 1;
    for (int i = 2; i < w->rank; i++)
        f->inner *= w->dim[i];
    f->outer = n_groups > 1 ? n_elems / n_groups : n_elems;
}

static bool matches_product(const struct dsc_graph *g, const struct dsc_node *p, struct folding *f)
{
    const bool is_gemm = dsc_node_is(p, "", "Gemm"), is_conv = dsc_node_is(p, "", "Conv");
    const bool is_transposed = dsc_node_is(p, "", "ConvTranspose");

    if (!is_gemm && !is_conv && !is_transposed && !dsc_node_is(p, "", "MatMul"))
        return false;
    f->weight = own_constant(g, p->in[1]);
    if (!f->weight || dsc_tensor_n_elems(f->weight) == 0)
        return false;
    if (is_conv || is_transposed) {
        set_channels(f, is_conv, is_conv ? 1 : dsc_node_int(p, "group", 1));
        return true;
    }
    if (f->weight->rank != 2 ||
        (is_gemm ? !is_one(p, "alpha") || !is_one(p, "beta") : g->values[p->out[0]].type.rank != 2))
        return false;
    set_channels(f, is_gemm && dsc_node_int(p, "transB", 0) != 0, 1);
    return true;
}

static bool matches(const struct dsc_graph *g, struct dsc_node *norm, struct folding *f)
{
    struct dsc_node *p;
    const struct dsc_value *y;

    if (!dsc_node_is(norm, "", "BatchNormalization") || norm->n_out > 1 ||
        dsc_node_int(norm, "training_mode", 0) != 0)
        return false;
    p = dsc_producer(g, norm->in[0]);
    y = &g->values[norm->in[0]];
    *f = (struct folding){.product = p, .norm = norm};
    if (!p || y->n_uses != 1 || y->is_output || !matches_product(g, p, f))
        return false;
    if (!dsc_node_is(p, "", "MatMul") && dsc_node_has_in(p, 2)) {
        f->bias = dsc_constant(g, p->in[2]);
        if (!f->bias || f->bias->dtype != DSC_F32 || dsc_tensor_n_elems(f->bias) != f->n)
            return false;
    }
    return has_statistics(g, norm, f->n);
}

static double at(const struct dsc_graph *g, const struct dsc_node *norm, int k, int64_t i)
{
    return (double)((const float *)dsc_constant(g, norm->in[k])->data)[i];
}

/* w and b [n] from the constants. */
static void compute(const struct dsc_graph *g, const struct folding *f, struct dsc_tensor *w,
                    struct dsc_tensor *b)
{
    const double epsilon = (double)dsc_node_float(f->norm, "epsilon", 1e-5f);
    const float *old = f->weight->data;

    for (int64_t i = 0; i < f->n; i++) {
        const double a = at(g, f->norm, 1, i) / sqrt(at(g, f->norm, 4, i) + epsilon);
        const double bias = f->bias ? (double)((const float *)f->bias->data)[i] : 0;

        ((float *)b->data)[i] = (float)((bias - at(g, f->norm, 3, i)) * a + at(g, f->norm, 2, i));
    }
    for (int64_t i = 0; i < dsc_tensor_n_elems(w); i++) {
        const int64_t c = i / f->outer * f->n_inner + i / f->inner % f->n_inner;
        const double a = at(g, f->norm, 1, c) / sqrt(at(g, f->norm, 4, c) + epsilon);

        ((float *)w->data)[i] = (float)((double)old[i] * a);
    }
}

/* The product keeps its name, its output becomes the norm's. */
static enum dsc_status put(struct dsc_graph *g, const struct folding *f, const struct dsc_tensor *w,
                           const struct dsc_tensor *b, struct dsc_err *err)
{
    struct dsc_node *p = f->product, *gemm = p;
    char name[300];
    int bias, y;

    DSC_TRY(dsc_graph_set_init(g, p->in[1], w, err));
    snprintf(name, sizeof name, "%.280s.folded_bias", p->name);
    DSC_TRY(dsc_add_init(g, name, b, &bias, err));
    if (!dsc_node_is(p, "", "MatMul")) {
        DSC_TRY(dsc_node_grow(g, p, 3, err));
        p->in[2] = bias;
    } else {
        snprintf(name, sizeof name, "%.280s/gemm", p->name);
        DSC_TRY(dsc_add_node(g, "", "Gemm", name, 3, (int[]){p->in[0], p->in[1], bias}, &y, &gemm,
                             err));
        dsc_graph_remove_node(p);
    }
    gemm->out[0] = f->norm->out[0];
    dsc_graph_remove_node(f->norm);
    return DSC_OK;
}

static enum dsc_status fold(struct dsc_graph *g, const struct folding *f, struct dsc_err *err)
{
    struct dsc_tensor w = {0}, b = {0};
    enum dsc_status st;

    DSC_TRY_OUT(st, dsc_tensor_new(&w, DSC_F32, f->weight->rank, f->weight->dim, err));
    DSC_TRY_OUT(st, dsc_tensor_new(&b, DSC_F32, 1, &f->n, err));
    compute(g, f, &w, &b);
    st = put(g, f, &w, &b, err);
out:
    dsc_tensor_clear(&w);
    dsc_tensor_clear(&b);
    return st;
}

enum dsc_status dsc_pass_fold_batchnorm(struct dsc_graph *g, int *n_folded, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;
    struct folding f;
    int n = 0;

    for (int i = 0; i < n_nodes; i++)
        if (matches(g, g->nodes[i], &f)) {
            DSC_TRY(fold(g, &f, err));
            n++;
        }
    if (n_folded)
        *n_folded = n;
    return n > 0 ? dsc_graph_sort(g, true, err) : DSC_OK;
}
