/*
 * Hidden units of recurrent layers: what has an element for each unit of each gate, or of the
 * state. A unit that no weight sums over is without effect: units only meet in R and behind the
 * outputs.
 */
#include "ops/recurrent.h"
#include "passes/prune_tie.h"

#include <stdio.h>
#include <string.h>

enum { N_OUT = 3 };

static bool refuse(struct dsc_tie *t, const struct dsc_node *n, const char *what)
{
    return dsc_tie_refuse(t, "%s '%.80s' %s", n->op->onnx, n->name, what);
}

/* How often the units repeat along an axis of an input; 0: it is no axis of units. */
static int n_repeats(int k, int axis, int n_gates)
{
    switch (k) {
    case DSC_RNN_W:
        return axis == 1 ? n_gates : 0;
    case DSC_RNN_R:
        return axis == 1 ? n_gates : axis == 2;
    case DSC_RNN_BIAS:
        return axis == 1 ? 2 * n_gates : 0;
    case DSC_RNN_H0:
    case DSC_RNN_C0:
        return axis == 2;
    case DSC_RNN_PEEPHOLES:
        return axis == 1 ? 3 : 0;
    default:
        return 0;
    }
}

/* The axis of units, once for each input; R has another, which the state meets. */
static int unit_axis(int k)
{
    return k == DSC_RNN_H0 || k == DSC_RNN_C0 ? 2 : 1;
}

static bool tie_units(struct dsc_tie *t, int value, int axis, int n_repeats, int64_t n_hidden,
                      const int *unit)
{
    const int64_t n = n_repeats * n_hidden;
    int *all = dsc_arena_alloc(t->arena, (size_t)n, sizeof *all, t->err);

    if (!all)
        return dsc_tie_refuse(t, "no memory");
    for (int64_t i = 0; i < n; i++)
        all[i] = unit[i % n_hidden];
    return dsc_tie_add(t, value, axis, n, all);
}

/* W and R make the gates, R sums over the state. */
static bool tie_inputs(struct dsc_tie *t, const struct dsc_node *n, int n_gates, int64_t n_hidden,
                       const int *unit)
{
    for (int k = DSC_RNN_W; k < n->n_in; k++) {
        const int axis = unit_axis(k), n_times = n_repeats(k, axis, n_gates);

        if (n_times == 0 || n->in[k] == DSC_NO_VALUE)
            continue;
        if (!tie_units(t, n->in[k], axis, n_times, n_hidden, unit))
            return false;
        if (k <= DSC_RNN_R)
            dsc_tie_find(t, n->in[k], axis)->is_made = true;
    }
    if (!tie_units(t, n->in[DSC_RNN_R], 2, 1, n_hidden, unit))
        return false;
    dsc_tie_find(t, n->in[DSC_RNN_R], 2)->is_summed = true;
    return true;
}

static bool tie_outputs(struct dsc_tie *t, const struct dsc_node *n, int64_t n_hidden,
                        const int *unit)
{
    for (int k = 0; k < n->n_out && k < N_OUT; k++)
        if (n->out[k] != DSC_NO_VALUE &&
            !tie_units(t, n->out[k], k == 0 ? 3 : 2, 1, n_hidden, unit))
            return false;
    return true;
}

/* Features of X and the axis of W that sums over them. */
static bool tie_features(struct dsc_tie *t, const struct dsc_node *n,
                         const struct dsc_tied_axis *at)
{
    if (!dsc_tie_add(t, n->in[DSC_RNN_X], 2, at->n, at->unit) ||
        !dsc_tie_add(t, n->in[DSC_RNN_W], 2, at->n, at->unit))
        return false;
    dsc_tie_find(t, n->in[DSC_RNN_W], 2)->is_summed = true;
    return true;
}

bool dsc_tie_recurrent(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const struct dsc_type *r = &t->g->values[n->in[DSC_RNN_R]].type;
    const int64_t n_hidden = r->rank == 3 ? r->dim[2] : -1;
    const int n_gates = n_hidden > 0 ? (int)(r->dim[1] / n_hidden) : 0;
    const int axis = p->at->axis;

    if (n_hidden < 1 || n_gates < 1)
        return refuse(t, n, "has weights of a size that is not known");
    if (!p->is_out && axis == 2 && (p->k == DSC_RNN_X || p->k == DSC_RNN_W))
        return tie_features(t, n, p->at);
    if (p->is_out ? axis != (p->k == 0 ? 3 : 2) : n_repeats(p->k, axis, n_gates) == 0)
        return refuse(t, n, "has steps, rows or directions along the axis");
    if (p->at->n % n_hidden != 0)
        return refuse(t, n, "has another size along the axis");
    for (int64_t i = n_hidden; i < p->at->n; i++)
        dsc_tie_join(t, p->at->unit[i % n_hidden], p->at->unit[i]);
    return tie_inputs(t, n, n_gates, n_hidden, p->at->unit) &&
           tie_outputs(t, n, n_hidden, p->at->unit);
}

static bool is_zeros(const struct dsc_graph *g, int value)
{
    const struct dsc_tensor *t = dsc_constant(g, value);
    const struct dsc_node *n = dsc_producer(g, value);
    const struct dsc_attr *a;

    if (t) {
        for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
            if (dsc_tensor_get_f64(t, i) != 0)
                return false;
        return true;
    }
    if (dsc_node_is(n, "", "ConstantOfShape")) {
        a = dsc_node_attr(n, "value");
        return !a || (a->kind == DSC_ATTR_TENSOR && dsc_tensor_get_f64(&a->tensor, 0) == 0);
    }
    return n &&
           (n->op->prune == DSC_PRUNE_SLICE || n->op->prune == DSC_PRUNE_RESHAPE ||
            n->op->prune == DSC_PRUNE_TRANSPOSE || dsc_node_is(n, "", "Expand")) &&
           is_zeros(g, n->in[0]); /* what only moves or repeats */
}

void dsc_prune_drop_zero_states(struct dsc_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];

        for (int k = DSC_RNN_H0; n->op->prune == DSC_PRUNE_RECURRENT && k <= DSC_RNN_C0; k++)
            if (k < n->n_in && n->in[k] != DSC_NO_VALUE && is_zeros(g, n->in[k]))
                n->in[k] = DSC_NO_VALUE;
    }
}
