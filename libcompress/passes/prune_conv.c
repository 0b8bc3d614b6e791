/*
 * Channels of convolutions, in groups or not, and of what works on each channel by itself.
 *
 * Inputs of a convolution are one axis of its filters, which it sums over; outputs are the other.
 * In groups, channels go that stand at one place of every group, so that groups stay equal; where a
 * group has one input (depthwise), groups go, with all that is theirs.
 */
#include "ops/conv.h"
#include "passes/prune_tie.h"

struct shape {
    int64_t n_groups;
    int64_t n_in, n_out;   /* channels of x and y */
    int64_t in, out;       /* of one group */
    int in_axis, out_axis; /* of the filters */
};

static bool refuse(struct dsc_tie *t, const struct dsc_node *n, const char *what)
{
    return dsc_tie_refuse(t, "%s '%.80s' %s", n->op->onnx, n->name, what);
}

static bool shape_of(struct dsc_tie *t, const struct dsc_node *n, struct shape *s)
{
    const struct dsc_type *w = &t->g->values[n->in[DSC_CONV_W]].type;
    const bool is_transposed = dsc_node_is(n, "", "ConvTranspose");
    const int64_t n_groups = dsc_node_int(n, "group", 1);

    if (w->rank < 3 || w->dim[0] < 1 || w->dim[1] < 1)
        return refuse(t, n, "has filters of a size that is not known");
    *s = (struct shape){.n_groups = n_groups,
                        .n_in = is_transposed ? w->dim[0] : w->dim[1] * n_groups,
                        .n_out = is_transposed ? w->dim[1] * n_groups : w->dim[0],
                        .in_axis = is_transposed ? 0 : 1,
                        .out_axis = is_transposed ? 1 : 0};
    s->in = s->n_in / n_groups;
    s->out = s->n_out / n_groups;
    return true;
}

/* n elements of an axis, of which i has unit[i / div % mod]. */
static bool tie_units(struct dsc_tie *t, int value, int axis, int64_t n, int64_t div, int64_t mod,
                      const int *unit)
{
    int *all;

    if (value == DSC_NO_VALUE)
        return true;
    all = dsc_arena_alloc(t->arena, (size_t)n, sizeof *all, t->err);
    if (!all)
        return dsc_tie_refuse(t, "no memory");
    for (int64_t i = 0; i < n; i++)
        all[i] = unit[i / div % mod];
    return dsc_tie_add(t, value, axis, n, all);
}

static bool tie_filters(struct dsc_tie *t, const struct dsc_node *n, int axis, int64_t size,
                        int64_t div, int64_t mod, const int *unit, bool is_summed)
{
    struct dsc_tied_axis *one;

    if (!tie_units(t, n->in[DSC_CONV_W], axis, size, div, mod, unit))
        return false;
    one = dsc_tie_find(t, n->in[DSC_CONV_W], axis);
    one->is_summed |= is_summed;
    one->is_made |= !is_summed;
    return !(one->is_summed && one->is_made) || refuse(t, n, "reads filters in a second role");
}

static int bias_of(const struct dsc_node *n)
{
    return n->n_in > DSC_CONV_BIAS ? n->in[DSC_CONV_BIAS] : DSC_NO_VALUE;
}

/* Units that come from a longer axis: elements of one unit are joined, the first stand for them. */
static void join(struct dsc_tie *t, const struct dsc_tied_axis *at, int64_t div, int64_t mod,
                 int *unit)
{
    for (int64_t i = 0; i < mod; i++)
        unit[i] = -1;
    for (int64_t i = 0; i < at->n; i++) {
        int *first = &unit[i / div % mod];

        if (*first < 0)
            *first = at->unit[i];
        else
            dsc_tie_join(t, *first, at->unit[i]);
    }
}

/* Groups of one input: unit[n_groups]. */
static bool tie_groups(struct dsc_tie *t, const struct dsc_node *n, const struct shape *s,
                       const int *unit)
{
    const int64_t n_first = s->in_axis == 0 ? s->n_in : s->n_out;

    return tie_units(t, n->in[DSC_CONV_X], 1, s->n_in, 1, s->n_groups, unit) &&
           tie_filters(t, n, 0, n_first, n_first / s->n_groups, s->n_groups, unit, false) &&
           tie_units(t, bias_of(n), 0, s->n_out, s->out, s->n_groups, unit) &&
           tie_units(t, n->out[0], 1, s->n_out, s->out, s->n_groups, unit);
}

static bool tie_inputs(struct dsc_tie *t, const struct dsc_node *n, const struct shape *s,
                       const int *unit)
{
    return tie_units(t, n->in[DSC_CONV_X], 1, s->n_in, 1, s->in, unit) &&
           tie_filters(t, n, s->in_axis, s->in_axis == 0 ? s->n_in : s->in, 1, s->in, unit, true);
}

static bool tie_outputs(struct dsc_tie *t, const struct dsc_node *n, const struct shape *s,
                        const int *unit)
{
    return tie_units(t, n->out[0], 1, s->n_out, 1, s->out, unit) &&
           tie_units(t, bias_of(n), 0, s->n_out, 1, s->out, unit) &&
           tie_filters(t, n, s->out_axis, s->out_axis == 0 ? s->n_out : s->out, 1, s->out, unit,
                       false);
}

bool dsc_tie_conv(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const bool is_filter = !p->is_out && p->k == DSC_CONV_W;
    const bool is_channel = p->at->axis == (!p->is_out && p->k == DSC_CONV_BIAS ? 0 : 1);
    struct shape s = {0};
    bool is_input;
    int *unit;

    if (!shape_of(t, n, &s))
        return false;
    if (!is_filter && p->at->axis == 0 && !is_channel)
        return dsc_tie_add(t, n->in[DSC_CONV_X], 0, p->at->n, p->at->unit) &&
               dsc_tie_add(t, n->out[0], 0, p->at->n, p->at->unit);
    if (is_filter ? p->at->axis > 1 : !is_channel)
        return refuse(t, n, "slides along the axis");
    unit = dsc_arena_alloc(t->arena, (size_t)p->at->n, sizeof *unit, t->err);
    if (!unit)
        return dsc_tie_refuse(t, "no memory");
    if (s.n_groups > 1 && s.in == 1) {
        if (is_filter && p->at->axis == 1)
            return refuse(t, n, "has one channel for each group along the axis");
        join(t, p->at, p->at->n / s.n_groups, s.n_groups, unit);
        return tie_groups(t, n, &s, unit);
    }
    is_input = is_filter ? p->at->axis == s.in_axis : !p->is_out && p->k == DSC_CONV_X;
    join(t, p->at, 1, is_input ? s.in : s.out, unit);
    return is_input ? tie_inputs(t, n, &s, unit) : tie_outputs(t, n, &s, unit);
}

bool dsc_tie_channels(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const bool is_parameter = !p->is_out && p->k > 0;
    const int axis = is_parameter ? 1 : p->at->axis;
    bool is_ok;

    if (axis > 1)
        return refuse(t, n, "works along the axis");
    if (n->n_out > 1 && n->out[1] != DSC_NO_VALUE)
        return refuse(t, n, "has a second output, of places or of statistics");
    is_ok = dsc_tie_add(t, n->in[0], axis, p->at->n, p->at->unit) &&
            dsc_tie_add(t, n->out[0], axis, p->at->n, p->at->unit);
    for (int k = 1; is_ok && axis == 1 && k < n->n_in; k++)
        is_ok = dsc_tie_add(t, n->in[k], 0, p->at->n, p->at->unit);
    return is_ok;
}

enum dsc_status dsc_prune_set_groups(struct dsc_graph *g, struct dsc_err *err)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        const bool is_transposed = dsc_node_is(n, "", "ConvTranspose");
        const struct dsc_type *of = &g->values[is_transposed ? n->out[0] : n->in[0]].type;
        const struct dsc_type *w = n->n_in > 1 ? &g->values[n->in[1]].type : NULL;

        if (n->op->prune != DSC_PRUNE_CONV || dsc_node_int(n, "group", 1) == 1 || of->rank < 2 ||
            of->dim[1] < 1 || w->rank < 2 || w->dim[1] < 1)
            continue;
        DSC_TRY(dsc_node_set_int(g, n, "group", of->dim[1] / w->dim[1], err));
    }
    return DSC_OK;
}
