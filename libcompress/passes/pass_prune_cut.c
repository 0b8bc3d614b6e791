/* Removing units: smaller constants, and shapes that say so. */
#include "dsc/op.h"
#include "passes/prune_tie.h"

#include <string.h>

static int64_t n_kept(const struct dsc_axis_group *group, const struct dsc_tied_axis *a)
{
    int64_t n = 0;

    for (int64_t i = 0; i < a->n; i++)
        n += !group->is_gone[a->unit[i]];
    return n;
}

/* A constant without the elements of the units that go. */
static enum dsc_status shrink(struct dsc_graph *g, const struct dsc_axis_group *group,
                              const struct dsc_tied_axis *a, struct dsc_err *err)
{
    const struct dsc_tensor *w = &g->values[a->value].init;
    struct dsc_tensor own;
    int64_t dim[DSC_MAX_RANK], outer = 1, inner = 1;
    char *to;
    size_t n_bytes;
    enum dsc_status st;

    for (int i = 0; i < w->rank; i++) {
        dim[i] = i == a->axis ? n_kept(group, a) : w->dim[i];
        outer *= i < a->axis ? w->dim[i] : 1;
        inner *= i > a->axis ? w->dim[i] : 1;
    }
    n_bytes = dsc_dtype_bytes(w->dtype, inner);
    DSC_TRY(dsc_tensor_new(&own, w->dtype, w->rank, dim, err));
    to = own.data;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < a->n; i++) {
            if (group->is_gone[a->unit[i]])
                continue;
            memcpy(to, (const char *)w->data + (size_t)(o * a->n + i) * n_bytes, n_bytes);
            to += n_bytes;
        }
    st = dsc_graph_set_init(g, a->value, &own, err);
    dsc_tensor_clear(&own);
    return st;
}

static enum dsc_status resize(struct dsc_graph *g, const struct dsc_tied_axis *a, int64_t size,
                              struct dsc_err *err)
{
    struct dsc_node *maker = dsc_producer(g, a->value);

    g->values[a->value].type.dim[a->axis] = size;
    if (maker && maker->op->prune == DSC_PRUNE_RECURRENT && dsc_node_attr(maker, "hidden_size") &&
        a->axis == g->values[a->value].type.rank - 1)
        return dsc_node_set_int(g, maker, "hidden_size", size, err);
    if (!dsc_node_is(maker, "", "Reshape"))
        return DSC_OK;
    return dsc_reshape_set_size(g, maker, a->axis, size, err);
}

enum dsc_status dsc_prune_cut(struct dsc_graph *g, const struct dsc_axis_groups *groups,
                              struct dsc_err *err)
{
    for (int i = 0; i < groups->n; i++) {
        const struct dsc_axis_group *group = &groups->items[i];

        if (group->why || group->n_gone == 0)
            continue;
        for (int k = 0; k < group->n_axes; k++) {
            const struct dsc_tied_axis *a = &group->axes[k];

            if (dsc_constant(g, a->value))
                DSC_TRY(shrink(g, group, a, err));
            else
                DSC_TRY(resize(g, a, n_kept(group, a), err));
        }
    }
    DSC_TRY(dsc_prune_set_groups(g, err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
