/* Channels of heads, by what they are worth in each head. */
#include "dsc/op.h"
#include "passes/prune_tie.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct channel {
    double squares;
    int idx;
};

static int larger_first(const void *a, const void *b)
{
    const struct channel *x = a, *y = b;

    if (x->squares != y->squares)
        return x->squares > y->squares ? -1 : 1;
    return x->idx - y->idx;
}

/* How many heads all constants of a group are split into, channel j of each being unit j; else 0.
 */
static int64_t heads_of(const struct dsc_graph *g, const struct dsc_axis_group *group)
{
    int64_t n = 0;

    for (int i = 0; i < group->n_axes; i++) {
        const struct dsc_tied_axis *a = &group->axes[i];

        if (!dsc_constant(g, a->value))
            continue;
        if (n > 0 && a->n != n)
            return 0;
        n = a->n;
        for (int64_t f = 0; f < n; f++)
            if (a->unit[f] != f % group->n_units)
                return 0;
    }
    return n % group->n_units == 0 ? n / group->n_units : 0;
}

/* Element f of the axis becomes what order[f] was. */
static enum dsc_status reorder(struct dsc_graph *g, const struct dsc_tied_axis *a,
                               const struct channel *order, struct dsc_err *err)
{
    const struct dsc_tensor *w = &g->values[a->value].init;
    struct dsc_tensor own;
    int64_t outer = 1, inner = 1;
    size_t n_bytes;
    enum dsc_status st;

    for (int i = 0; i < w->rank; i++) {
        outer *= i < a->axis ? w->dim[i] : 1;
        inner *= i > a->axis ? w->dim[i] : 1;
    }
    n_bytes = dsc_dtype_bytes(w->dtype, inner);
    DSC_TRY(dsc_tensor_new(&own, w->dtype, w->rank, w->dim, err));
    for (int64_t o = 0; o < outer; o++)
        for (int64_t f = 0; f < a->n; f++)
            memcpy((char *)own.data + (size_t)(o * a->n + f) * n_bytes,
                   (const char *)w->data + (size_t)(o * a->n + order[f].idx) * n_bytes, n_bytes);
    st = dsc_graph_set_init(g, a->value, &own, err);
    dsc_tensor_clear(&own);
    return st;
}

static enum dsc_status align(struct dsc_graph *g, struct dsc_axis_group *group, int64_t n_heads,
                             struct dsc_err *err)
{
    const int n_units = group->n_units, n = (int)(n_heads * n_units);
    struct dsc_arena arena;
    struct channel *order;
    double *squares;
    int *self;
    enum dsc_status st = DSC_E_MEMORY;

    dsc_arena_init(&arena);
    order = dsc_arena_alloc(&arena, (size_t)n, sizeof *order, err);
    squares = dsc_arena_alloc(&arena, (size_t)n, sizeof *squares, err);
    self = dsc_arena_alloc(&arena, (size_t)n, sizeof *self, err);
    if (!order || !squares || !self)
        goto end;
    for (int f = 0; f < n; f++)
        self[f] = f;
    for (int i = 0; i < group->n_axes; i++) {
        struct dsc_tied_axis each = group->axes[i];
        const struct dsc_tensor *w = dsc_constant(g, each.value);

        each.unit = self;
        if (w && dsc_dtype_is_float(w->dtype))
            dsc_prune_add_squares(w, &each, squares);
    }
    for (int f = 0; f < n; f++)
        order[f] = (struct channel){squares[f], f};
    for (int h = 0; h < n_heads; h++)
        qsort(order + (ptrdiff_t)h * n_units, (size_t)n_units, sizeof *order, larger_first);
    for (int u = 0; u < n_units; u++) {
        group->score[u] = 0;
        for (int f = u; f < n; f += n_units)
            group->score[u] += order[f].squares;
        group->score[u] = sqrt(group->score[u]);
    }
    st = DSC_OK;
    for (int i = 0; st == DSC_OK && i < group->n_axes; i++)
        if (dsc_constant(g, group->axes[i].value))
            st = reorder(g, &group->axes[i], order, err);
end:
    dsc_arena_clear(&arena);
    return st;
}

enum dsc_status dsc_prune_align_heads(struct dsc_graph *g, struct dsc_axis_groups *groups,
                                      struct dsc_err *err)
{
    for (int i = 0; i < groups->n; i++) {
        struct dsc_axis_group *group = &groups->items[i];
        const int64_t n_heads = group->why ? 0 : heads_of(g, group);

        if (n_heads > 1 && n_heads * group->n_units <= INT32_MAX)
            DSC_TRY(align(g, group, n_heads, err));
    }
    return DSC_OK;
}
