/* Groups of tied axes: where they begin, what they hold, which units are worth least. */
#include "dsc/op.h"
#include "passes/prune_tie.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct search {
    const struct dsc_graph *g;
    enum dsc_axis_pattern pattern;
    dsc_prune_choose_fn *choose;
    void *ctx;
    struct dsc_arena *arena, *scratch;
    struct dsc_axis_groups *groups;
    const char **nodes; /* [n_nodes] scratch */
    struct dsc_err *err;
};

/* ---- growing a group ---- */

static bool spread(struct dsc_tie *t)
{
    for (int i = 0; i < t->n; i++) {
        for (int j = 0; j < t->g->n_nodes; j++) {
            const struct dsc_node *n = t->g->nodes[j];
            const struct dsc_tied_axis at = t->axes[i]; /* the array may move */

            for (int k = 0; k < n->n_in; k++)
                if (n->in[k] == at.value &&
                    !dsc_tie_through(t, n, &(struct dsc_tie_port){.k = k, .at = &at}))
                    return false;
            for (int k = 0; k < n->n_out; k++)
                if (n->out[k] == at.value &&
                    !dsc_tie_through(t, n,
                                     &(struct dsc_tie_port){.is_out = true, .k = k, .at = &at}))
                    return false;
        }
    }
    return true;
}

/* A group ends in constants that are summed over, channels of heads in activations, too, and begins
 * in constants that make it. */
static bool is_closed(struct dsc_tie *t, enum dsc_axis_pattern pattern)
{
    bool is_made = false, is_summed = false;

    for (int i = 0; i < t->n; i++) {
        const struct dsc_tied_axis *a = &t->axes[i];
        const bool is_constant = dsc_constant(t->g, a->value) != NULL;

        is_made |= is_constant && a->is_made;
        is_summed |= (is_constant || pattern == DSC_AXIS_HEAD_SIZE) && a->is_summed;
    }
    if (!is_made)
        return dsc_tie_refuse(t, "no constant weight makes it");
    return is_summed || dsc_tie_refuse(t, "no constant weight sums over it");
}

static bool fits_pattern(struct dsc_tie *t, enum dsc_axis_pattern pattern)
{
    if (pattern != DSC_AXIS_HEADS && pattern != DSC_AXIS_HEAD_SIZE && t->has_attention)
        return dsc_tie_refuse(t, "it runs through a product of two activations");
    return true;
}

/* ---- taking it over ---- */

static enum dsc_status copy_axes(const struct dsc_tie *t, struct dsc_axis_group *group,
                                 struct dsc_arena *arena, struct dsc_err *err)
{
    int *number;

    DSC_NEW(number, arena, t->n_units, err);
    for (int i = 0; i < t->n_units; i++) /* the least member comes first */
        number[i] = dsc_tie_unit(t, i) == i ? group->n_units++ : number[dsc_tie_unit(t, i)];
    DSC_NEW(group->is_gone, arena, group->n_units, err);
    DSC_NEW(group->score, arena, group->n_units, err);
    DSC_NEW(group->axes, arena, t->n, err);
    group->n_axes = t->n;
    for (int i = 0; i < t->n; i++) {
        struct dsc_tied_axis *a = &group->axes[i];

        *a = t->axes[i];
        DSC_NEW(a->unit, arena, a->n, err);
        for (int64_t j = 0; j < a->n; j++)
            a->unit[j] = number[t->axes[i].unit[j]];
    }
    return DSC_OK;
}

void dsc_prune_add_squares(const struct dsc_tensor *w, const struct dsc_tied_axis *a, double *sum)
{
    int64_t inner = 1;

    for (int i = a->axis + 1; i < w->rank; i++)
        inner *= w->dim[i];
    for (int64_t i = 0; i < dsc_tensor_n_elems(w); i++) {
        const double v = dsc_tensor_get_f64(w, i);

        sum[a->unit[i / inner % a->n]] += v * v;
    }
}

static void score(const struct dsc_graph *g, struct dsc_axis_group *group)
{
    for (int i = 0; i < group->n_axes; i++) {
        const struct dsc_tensor *w = dsc_constant(g, group->axes[i].value);

        if (w && dsc_dtype_is_float(w->dtype))
            dsc_prune_add_squares(w, &group->axes[i], group->score);
    }
    for (int u = 0; u < group->n_units; u++)
        group->score[u] = sqrt(group->score[u]);
}

/* Any constant of it by its name, or any node that reads one. */
static enum dsc_prune_choice choice_of(struct search *s, const struct dsc_tie *t)
{
    enum dsc_prune_choice best = DSC_PRUNE_LEFT_OUT;

    for (int i = 0; s->choose && i < t->n; i++) {
        const int value = t->axes[i].value;
        enum dsc_prune_choice c;
        int n_nodes = 0;

        if (!dsc_constant(s->g, value))
            continue;
        for (int j = 0; j < s->g->n_nodes; j++)
            for (int k = 0; k < s->g->nodes[j]->n_in; k++)
                if (s->g->nodes[j]->in[k] == value && n_nodes < s->g->n_nodes)
                    s->nodes[n_nodes++] = s->g->nodes[j]->name;
        c = s->choose(s->ctx, s->g->values[value].name, n_nodes, s->nodes);
        if (c == DSC_PRUNE_EXCLUDED)
            return c;
        best = c > best ? c : best;
    }
    return s->choose ? best : DSC_PRUNE_CHOSEN;
}

static bool is_known(const struct search *s, int value, int axis)
{
    for (int i = 0; i < s->groups->n; i++)
        for (int k = 0; k < s->groups->items[i].n_axes; k++)
            if (s->groups->items[i].axes[k].value == value &&
                s->groups->items[i].axes[k].axis == axis)
                return true;
    return false;
}

/* From an axis of `size` elements, each a unit of its own. */
static enum dsc_status begin(struct search *s, const struct dsc_node *n, int value, int axis,
                             int64_t size)
{
    struct dsc_tie t = {.g = s->g,
                        .arena = s->scratch,
                        .n_units = (int)size,
                        .may_norm = s->pattern == DSC_AXIS_HIDDEN,
                        .err = s->err};
    struct dsc_axis_group *group = &s->groups->items[s->groups->n];
    bool is_ok;

    if (is_known(s, value, axis) || size < 2 || size > INT32_MAX)
        return DSC_OK;
    DSC_NEW(t.parent, s->scratch, size, s->err);
    for (int i = 0; i < t.n_units; i++)
        t.parent[i] = i;
    is_ok = dsc_tie_add(&t, value, axis, size, t.parent) && spread(&t) &&
            is_closed(&t, s->pattern) && fits_pattern(&t, s->pattern);
    if (s->err && s->err->status == DSC_E_MEMORY)
        return DSC_E_MEMORY;
    *group = (struct dsc_axis_group){.name = n->name};
    s->groups->n++;
    if (is_ok && choice_of(s, &t) <= DSC_PRUNE_LEFT_OUT)
        is_ok = dsc_tie_refuse(&t, "left out by --include or --exclude");
    if (!is_ok) {
        group->why = dsc_arena_strdup(s->arena, t.why, s->err);
        return group->why ? DSC_OK : DSC_E_MEMORY;
    }
    s->groups->n_chosen++;
    DSC_TRY(copy_axes(&t, group, s->arena, s->err));
    score(s->g, group);
    return DSC_OK;
}

/* The outputs of a product with a constant. */
static enum dsc_status begin_ffn(struct search *s, const struct dsc_node *n)
{
    const bool is_gemm = n->op->prune == DSC_PRUNE_GEMM;
    const struct dsc_tensor *w = n->n_in > 1 ? dsc_constant(s->g, n->in[1]) : NULL;
    const int axis = is_gemm && dsc_node_int(n, "transB", 0) ? 0 : 1;
    const int rank = s->g->values[n->out[0]].type.rank;

    if ((!is_gemm && n->op->prune != DSC_PRUNE_MATMUL) || !w || w->rank != 2 || rank < 2)
        return DSC_OK;
    return begin(s, n, n->out[0], rank - 1, w->dim[axis]);
}

/* A batch axis of known size of a product of two activations: the first that can be pruned. */
static enum dsc_status begin_heads(struct search *s, const struct dsc_node *n)
{
    const struct dsc_type *t = &s->g->values[n->out[0]].type;
    const int first = s->groups->n;

    if (n->op->prune != DSC_PRUNE_MATMUL || dsc_constant(s->g, n->in[0]) ||
        dsc_constant(s->g, n->in[1]))
        return DSC_OK;
    for (int axis = 0; axis < t->rank - 2; axis++) {
        if (t->dim[axis] < 2)
            continue;
        if (is_known(s, n->out[0], axis))
            return DSC_OK;
        s->groups->n = first; /* what stood against an axis before this one says nothing */
        DSC_TRY(begin(s, n, n->out[0], axis, t->dim[axis]));
        if (!s->groups->items[first].why)
            return DSC_OK;
    }
    if (s->groups->n == first)
        s->groups->items[s->groups->n++] = (struct dsc_axis_group){
            .name = n->name, .why = "it has no axis of heads of a known size"};
    return DSC_OK;
}

/* The last axis of a product's first factor, which it sums over, and that of its output. */
static enum dsc_status begin_head_size(struct search *s, const struct dsc_node *n)
{
    const int in = n->in[0], out = n->out[0];
    const struct dsc_type *x = &s->g->values[in].type, *y = &s->g->values[out].type;

    if (n->op->prune != DSC_PRUNE_MATMUL || dsc_constant(s->g, in) ||
        dsc_constant(s->g, n->in[1]) || x->rank < 2 || y->rank < 2)
        return DSC_OK;
    DSC_TRY(begin(s, n, in, x->rank - 1, x->dim[x->rank - 1]));
    return begin(s, n, out, y->rank - 1, y->dim[y->rank - 1]);
}

/* What enters the first layer; a model without layers has no such stream. */
static enum dsc_status begin_hidden(struct search *s, struct dsc_err *err)
{
    struct dsc_prune_layers layers;
    struct dsc_err why = {0};
    const enum dsc_status st = dsc_prune_find_layers(s->g, s->arena, &layers, &why);
    const struct dsc_type *t;

    if (layers.n == 0) {
        *err = why;
        return st;
    }
    t = &s->g->values[layers.items[0].in].type;
    return begin(s, dsc_producer(s->g, layers.items[0].in), layers.items[0].in, t->rank - 1,
                 t->dim[t->rank - 1]);
}

/* The units of a recurrent layer, from the axis of R that the state meets. */
static enum dsc_status begin_gates(struct search *s, const struct dsc_node *n)
{
    const struct dsc_tensor *r =
        n->op->prune == DSC_PRUNE_RECURRENT ? dsc_constant(s->g, n->in[2]) : NULL;

    return r && r->rank == 3 ? begin(s, n, n->in[2], 2, r->dim[2]) : DSC_OK;
}

/* The outputs of a convolution with a constant. */
static enum dsc_status begin_channels(struct search *s, const struct dsc_node *n)
{
    const struct dsc_tensor *w =
        n->op->prune == DSC_PRUNE_CONV ? dsc_constant(s->g, n->in[1]) : NULL;

    if (!w || w->rank < 3)
        return DSC_OK;
    return begin(s, n, n->out[0], 1,
                 dsc_node_is(n, "", "Conv") ? w->dim[0] : w->dim[1] * dsc_node_int(n, "group", 1));
}

static enum dsc_status begin_at(struct search *s, const struct dsc_node *n)
{
    static enum dsc_status (*const begins[])(struct search *, const struct dsc_node *) = {
        [DSC_AXIS_FFN] = begin_ffn,
        [DSC_AXIS_HEADS] = begin_heads,
        [DSC_AXIS_GATES] = begin_gates,
        [DSC_AXIS_CHANNELS] = begin_channels,
        [DSC_AXIS_HEAD_SIZE] = begin_head_size,
    };

    return begins[s->pattern](s, n);
}

static enum dsc_status nothing(const struct dsc_axis_groups *groups, enum dsc_axis_pattern pattern,
                               struct dsc_err *err)
{
    static const char *const none[] = {
        [DSC_AXIS_FFN] = "product that has a constant weight",
        [DSC_AXIS_HEADS] = "product that is of two activations",
        [DSC_AXIS_HEAD_SIZE] = "product of two activations with channels of a known number",
        [DSC_AXIS_HIDDEN] = "layer of attention",
        [DSC_AXIS_GATES] = "recurrent layer (LSTM, GRU, RNN) with constant weights",
        [DSC_AXIS_CHANNELS] = "convolution with constant filters",
    };
    char text[480] = "";
    size_t at = 0;

    for (int i = 0; i < groups->n && i < 3; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "; %.60s: %.80s", groups->items[i].name,
                               groups->items[i].why);
    if (groups->n == 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "the model has no %s", none[pattern]);
    return dsc_fail(err, DSC_E_UNSUPPORTED, "nothing can be pruned so%s", text);
}

enum dsc_status dsc_prune_find_axes(const struct dsc_graph *g, enum dsc_axis_pattern pattern,
                                    dsc_prune_choose_fn *choose, void *ctx, struct dsc_arena *arena,
                                    struct dsc_axis_groups *groups, struct dsc_err *err)
{
    struct dsc_arena scratch;
    struct dsc_err own = {0};
    struct search s = {.g = g,
                       .pattern = pattern,
                       .choose = choose,
                       .ctx = ctx,
                       .arena = arena,
                       .scratch = &scratch,
                       .groups = groups,
                       .err = err ? err : &own};
    enum dsc_status st = DSC_OK;

    *groups = (struct dsc_axis_groups){0};
    DSC_NEW(groups->items, arena, 2 * g->n_nodes + 1, err); /* HEAD_SIZE: two of a node */
    DSC_NEW(s.nodes, arena, g->n_nodes + 1, err);
    dsc_arena_init(&scratch);
    if (pattern == DSC_AXIS_HIDDEN)
        st = begin_hidden(&s, s.err);
    for (int i = 0; st == DSC_OK && pattern != DSC_AXIS_HIDDEN && i < g->n_nodes; i++) {
        const struct dsc_arena_mark mark = dsc_arena_mark(&scratch);

        st = begin_at(&s, g->nodes[i]);
        dsc_arena_reset(&scratch, mark);
    }
    dsc_arena_clear(&scratch);
    return st != DSC_OK || groups->n_chosen > 0 ? st : nothing(groups, pattern, err);
}

/* One constant's part: derivative [n_units] += g w. */
static void add_products(const struct dsc_tensor *w, const struct dsc_tensor *g,
                         const struct dsc_tied_axis *a, double *derivative)
{
    int64_t inner = 1;

    for (int i = a->axis + 1; i < w->rank; i++)
        inner *= w->dim[i];
    for (int64_t i = 0; i < dsc_tensor_n_elems(w); i++)
        derivative[a->unit[i / inner % a->n]] +=
            dsc_tensor_get_f64(w, i) * dsc_tensor_get_f64(g, i);
}

enum dsc_status dsc_prune_add_taylor(const struct dsc_graph *g, const struct dsc_axis_group *group,
                                     enum dsc_status (*gradient)(void *ctx, int value,
                                                                 struct dsc_tensor *t,
                                                                 struct dsc_err *err),
                                     void *ctx, double *sum, struct dsc_err *err)
{
    double *derivative = dsc_heap_alloc((size_t)group->n_units, sizeof *derivative, err);
    enum dsc_status st = derivative ? DSC_OK : DSC_E_MEMORY;

    for (int i = 0; st == DSC_OK && i < group->n_axes; i++) {
        const struct dsc_tied_axis *a = &group->axes[i];
        const struct dsc_tensor *w = dsc_constant(g, a->value);
        struct dsc_tensor dw = {0};

        if (!w || !a->is_summed)
            continue;
        st = gradient(ctx, a->value, &dw, err);
        if (st == DSC_OK)
            add_products(w, &dw, a, derivative);
        dsc_tensor_clear(&dw);
    }
    for (int u = 0; st == DSC_OK && u < group->n_units; u++)
        sum[u] += derivative[u] * derivative[u];
    dsc_heap_free(derivative);
    return st;
}

/* ---- choosing ---- */

struct ranked {
    double key;
    int group, unit;
};

static int by_key(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->group != y->group ? x->group - y->group : x->unit - y->unit;
}

/* Would an axis be left empty? Where values are joined, some have units that others have not. */
static bool is_last(const struct dsc_axis_group *group, int unit)
{
    if (group->n_gone == group->n_units - 1)
        return true;
    for (int i = 0; i < group->n_axes; i++) {
        const struct dsc_tied_axis *a = &group->axes[i];
        int64_t n_left = 0;

        for (int64_t f = 0; f < a->n && n_left == 0; f++)
            n_left += a->unit[f] != unit && !group->is_gone[a->unit[f]];
        if (n_left == 0)
            return true;
    }
    return false;
}

/* The k least of n, but for the last unit of an axis. */
static void mark_gone(struct dsc_axis_groups *groups, struct ranked *r, int64_t n, int64_t k)
{
    qsort(r, (size_t)n, sizeof *r, by_key);
    for (int64_t i = 0; i < n && k > 0; i++) {
        struct dsc_axis_group *group = &groups->items[r[i].group];

        if (is_last(group, r[i].unit))
            continue;
        group->is_gone[r[i].unit] = true;
        group->n_gone++;
        k--;
    }
}

static int64_t rank_group(const struct dsc_axis_groups *groups, int at, struct ranked *r)
{
    const struct dsc_axis_group *group = &groups->items[at];
    double mean = 0;

    for (int u = 0; u < group->n_units; u++)
        mean += groups->is_comparable ? 1.0 / group->n_units : group->score[u] / group->n_units;
    for (int u = 0; u < group->n_units; u++)
        r[u] = (struct ranked){mean > 0 ? group->score[u] / mean : 0, at, u};
    return group->n_units;
}

enum dsc_status dsc_prune_choose(struct dsc_axis_groups *groups, double sparsity, bool is_global,
                                 struct dsc_err *err)
{
    int64_t n_all = 0, n = 0, n_gone = 0;
    struct ranked *r;

    for (int i = 0; i < groups->n; i++)
        n_all += groups->items[i].why ? 0 : groups->items[i].n_units;
    r = dsc_heap_alloc((size_t)n_all + 1, sizeof *r, err);
    if (!r)
        return DSC_E_MEMORY;
    for (int i = 0; i < groups->n; i++) {
        if (groups->items[i].why)
            continue;
        n += rank_group(groups, i, r + n);
        if (is_global)
            continue;
        mark_gone(groups, r, n, (int64_t)rint(sparsity * (double)n));
        n = 0;
    }
    if (is_global)
        mark_gone(groups, r, n, (int64_t)rint(sparsity * (double)n));
    dsc_heap_free(r);
    for (int i = 0; i < groups->n; i++)
        n_gone += groups->items[i].n_gone;
    if (n_gone > 0)
        return DSC_OK;
    return dsc_fail(err, DSC_E_USAGE, "nothing would go: %g of at most %lld units is less than one",
                    sparsity, (long long)n_all);
}
