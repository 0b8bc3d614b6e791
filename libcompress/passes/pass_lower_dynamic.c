/*
 * Integer execution of products whose ranges are computed at run time:
 *
 *   Mul(Cast(MatMulInteger(q, w, z [, 0])), Mul(s, w_scale)) [+ bias]  ->  dsc.QGemm
 *
 * with a constant int8 w [K,N]; the factors may stand in either order.
 */
#include "kernels/kernels.h"
#include "passes/quant_spelling.h"

#include <stdio.h>

struct match {
    struct dsc_node *scaled, *add; /* add: of the bias, or NULL */
    const struct dsc_node *integer;
    const struct dsc_tensor *w;
    int scale, w_scale, bias; /* value numbers */
};

/* Input `k` of `n` is made by such a node. */
static const struct dsc_node *made_by(const struct dsc_graph *g, const struct dsc_node *n, int k,
                                      const char *op)
{
    const struct dsc_node *p = dsc_producer(g, n->in[k]);

    return dsc_node_is(p, "", op) ? p : NULL;
}

static bool is_vector(const struct dsc_tensor *t, int64_t n)
{
    return t && t->dtype == DSC_F32 && t->rank == 1 && t->dim[0] == n;
}

/* Mul of a scalar that is computed and of the weight's constant scale. */
static bool match_scale(const struct dsc_graph *g, const struct dsc_node *mul, struct match *m)
{
    for (int k = 0; k < 2; k++) {
        const struct dsc_tensor *w = dsc_constant(g, mul->in[k]);
        const struct dsc_type *s = &g->values[mul->in[1 - k]].type;

        if (w && w->dtype == DSC_F32 && s->rank == 0 && !dsc_constant(g, mul->in[1 - k]) &&
            (dsc_tensor_n_elems(w) == 1 || is_vector(w, m->w->dim[1]))) {
            m->w_scale = mul->in[k];
            m->scale = mul->in[1 - k];
            return w->rank <= 1;
        }
    }
    return false;
}

static bool match_integer(const struct dsc_graph *g, const struct dsc_node *cast, struct match *m)
{
    const struct dsc_node *n = made_by(g, cast, 0, "MatMulInteger");
    const struct dsc_tensor *zero;

    if (!n || dsc_node_int(cast, "to", 0) != dsc_dtype_onnx(DSC_F32) || !dsc_node_has_in(n, 2) ||
        g->values[n->in[2]].type.rank != 0)
        return false;
    m->integer = n;
    m->w = dsc_constant(g, n->in[1]);
    zero = dsc_node_has_in(n, 3) ? dsc_constant(g, n->in[3]) : NULL;
    return m->w && m->w->dtype == DSC_I8 && m->w->rank == 2 && m->w->dim[0] <= DSC_QGEMM_K_MAX &&
           (!dsc_node_has_in(n, 3) || (zero && dsc_is_zero(zero)));
}

/* The Add of a constant [N], when it is all that reads the product. */
static void match_bias(const struct dsc_graph *g, struct match *m)
{
    const int y = m->scaled->out[0];

    m->add = NULL;
    for (int i = 0; i < g->n_nodes && g->values[y].n_uses == 1; i++) {
        struct dsc_node *n = g->nodes[i];

        if (!dsc_node_is(n, "", "Add") || (n->in[0] != y && n->in[1] != y))
            continue;
        m->bias = n->in[0] == y ? n->in[1] : n->in[0];
        m->add = is_vector(dsc_constant(g, m->bias), m->w->dim[1]) ? n : NULL;
        return;
    }
}

static bool match_node(const struct dsc_graph *g, struct dsc_node *n, struct match *m)
{
    if (!dsc_node_is(n, "", "Mul"))
        return false;
    *m = (struct match){.scaled = n};
    for (int k = 0; k < 2; k++) {
        const struct dsc_node *cast = made_by(g, n, k, "Cast"), *mul = made_by(g, n, 1 - k, "Mul");

        if (!cast || !mul || !match_integer(g, cast, m) || !match_scale(g, mul, m))
            continue;
        match_bias(g, m);
        return true;
    }
    return false;
}

static enum dsc_status lower_node(struct dsc_graph *g, const struct match *m, struct dsc_err *err)
{
    struct dsc_node *last = m->add ? m->add : m->scaled, *n;
    int in[] = {m->integer->in[0], 0, 0, m->scale, m->integer->in[2], m->w_scale, m->bias};
    char name[300];
    int out;

    DSC_TRY(dsc_add_packed(g, m->integer->name, m->w, false, &in[1], &in[2], err));
    snprintf(name, sizeof name, "%s/packed_product", m->integer->name);
    DSC_TRY(dsc_add_node(g, "dsc", "QGemm", name, m->add ? 7 : 6, in, &out, &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "k", m->w->dim[0], err));
    dsc_graph_replace_uses(g, last->out[0], out);
    dsc_graph_remove_node(last);
    return DSC_OK;
}

enum dsc_status dsc_lower_dynamic(struct dsc_graph *g, int *n_lowered, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct match m;

        if (!match_node(g, g->nodes[i], &m))
            continue;
        DSC_TRY(lower_node(g, &m, err));
        ++*n_lowered;
    }
    return DSC_OK;
}
