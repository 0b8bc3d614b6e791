/* Groups of a graph: cut and compared with zeros, or refused. */
#ifndef DSC_TESTS_PRUNE_CHECKS_H
#define DSC_TESTS_PRUNE_CHECKS_H

#include "dsc/prune.h"
#include "quant_graphs.h"

struct look {
    struct dsc_arena arena;
    struct dsc_axis_groups groups;
    struct dsc_err err;
    enum dsc_status st;
};

static inline int i64s(struct dsc_graph *g, const char *name, int n, const int64_t *v)
{
    struct dsc_tensor t;
    int id;

    OK(dsc_tensor_new(&t, DSC_I64, 1, (int64_t[]){n}, &err));
    for (int i = 0; i < n; i++)
        dsc_tensor_set_i64(&t, i, v[i]);
    OK(dsc_graph_init(g, name, &t, &id, &err));
    dsc_tensor_clear(&t);
    return id;
}

static inline void look(struct look *l, struct dsc_graph *g, enum dsc_axis_pattern p)
{
    *l = (struct look){0};
    dsc_arena_init(&l->arena);
    OK(dsc_prune_learn_sizes(g, &err));
    l->st = dsc_prune_find_axes(g, p, NULL, NULL, &l->arena, &l->groups, &l->err);
}

static inline void clear_gone(struct dsc_graph *g, const struct dsc_axis_group *group,
                              const struct dsc_tied_axis *a)
{
    const struct dsc_tensor *w = &g->values[a->value].init;
    struct dsc_tensor own;
    int64_t inner = 1;

    OK(dsc_tensor_new(&own, DSC_F32, w->rank, w->dim, &err));
    for (int i = a->axis + 1; i < w->rank; i++)
        inner *= w->dim[i];
    for (int64_t i = 0; i < dsc_tensor_n_elems(w); i++)
        ((float *)own.data)[i] =
            group->is_gone[a->unit[i / inner % a->n]] ? 0 : ((const float *)w->data)[i];
    OK(dsc_graph_set_init(g, a->value, &own, &err));
    dsc_tensor_clear(&own);
}

/* Cut, and compare with zeros at every constant that a product sums over a gone unit; channels of
 * heads may be summed over between activations alone, so that theirs are zeros in all constants. */
static inline void check(struct dsc_graph *g, const struct dsc_tensor *feeds,
                         enum dsc_axis_pattern p, double sparsity, bool is_global, int n_groups,
                         int n_units)
{
    struct dsc_graph *masked;
    struct dsc_tensor whole, want, got;
    struct look l;
    int n_cleared = 0;
    bool is_same = true;

    run(g, feeds, &whole);
    look(&l, g, p);
    ck_assert_msg(l.st == DSC_OK, "%s", l.err.message);
    ck_assert_int_eq(l.groups.n_chosen, n_groups);
    if (p == DSC_AXIS_HEAD_SIZE)
        OK(dsc_prune_align_heads(g, &l.groups, &err));
    OK(dsc_prune_choose(&l.groups, sparsity, is_global, &err));
    masked = copy(g);
    for (int i = 0; i < l.groups.n; i++) {
        const struct dsc_axis_group *group = &l.groups.items[i];

        if (group->why)
            continue;
        ck_assert_int_eq(group->n_units, n_units);
        ck_assert(is_global || group->n_gone == (int)rint(sparsity * n_units));
        for (int k = 0; k < group->n_axes; k++)
            if ((group->axes[k].is_summed || p == DSC_AXIS_HEAD_SIZE) &&
                dsc_tensor_is_present(&g->values[group->axes[k].value].init)) {
                clear_gone(masked, group, &group->axes[k]);
                n_cleared++;
            }
    }
    ck_assert_int_ge(n_cleared, n_groups);
    OK(dsc_prune_cut(g, &l.groups, &err));
    run(masked, feeds, &want);
    run(g, feeds, &got);
    near("pruned", &got, &want, 1e-5, 1e-6);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&want); i++)
        is_same &= fabs(dsc_tensor_get_f64(&want, i) - dsc_tensor_get_f64(&whole, i)) < 1e-4;
    ck_assert_msg(!is_same, "what went had no effect: the test shows nothing");
    dsc_tensor_clear(&whole);
    dsc_tensor_clear(&want);
    dsc_tensor_clear(&got);
    dsc_graph_free(masked);
    dsc_arena_clear(&l.arena);
}

static inline void refused(struct dsc_graph *g, enum dsc_axis_pattern p, const char *why)
{
    struct look l;

    look(&l, g, p);
    ck_assert_int_eq(l.st, DSC_E_UNSUPPORTED);
    ck_assert_msg(strstr(l.err.message, why) != NULL, "'%s' does not say '%s'", l.err.message, why);
    dsc_arena_clear(&l.arena);
    dsc_graph_free(g);
}

#endif
