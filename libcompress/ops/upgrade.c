/* Helpers for bringing nodes of older opsets to the newest form. */
#include "ops/upgrade.h"

#include <stdio.h>

enum { UPGRADE_MAX_NAME = 256 };

enum dsc_status dsc_node_set_in(struct dsc_graph *g, struct dsc_node *n, int in_idx, int value,
                                struct dsc_err *err)
{
    if (in_idx >= n->n_in) {
        int *in;

        DSC_NEW(in, &g->arena, in_idx + 1, err);
        for (int i = 0; i <= in_idx; i++)
            in[i] = i < n->n_in ? n->in[i] : DSC_NO_VALUE;
        n->in = in;
        n->n_in = in_idx + 1;
    }
    n->in[in_idx] = value;
    return DSC_OK;
}

/* Names are made unique by a number: two nodes may have the same beginning. */
static enum dsc_status add_init(struct dsc_graph *g, const struct dsc_node *n, const char *what,
                                const struct dsc_tensor *t, int *id, struct dsc_err *err)
{
    char name[UPGRADE_MAX_NAME];

    for (int i = 0;; i++) {
        if (i == 0)
            snprintf(name, sizeof name, "%.200s_%s", n->name, what);
        else
            snprintf(name, sizeof name, "%.200s_%s_%d", n->name, what, i);
        if (dsc_graph_find_value(g, name) == DSC_NO_VALUE)
            return dsc_graph_init(g, name, t, id, err);
    }
}

enum dsc_status dsc_upgrade_scalar(struct dsc_graph *g, const struct dsc_node *n, const char *what,
                                   enum dsc_dtype dtype, double v, int *id, struct dsc_err *err)
{
    struct dsc_tensor t;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, dtype, 0, NULL, err));
    dsc_tensor_set_f64(&t, 0, v);
    st = add_init(g, n, what, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

enum dsc_status dsc_upgrade_list(struct dsc_graph *g, const struct dsc_node *n, const char *what,
                                 const int64_t *v, int n_v, int *id, struct dsc_err *err)
{
    const int64_t dim = n_v;
    struct dsc_tensor t;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_I64, 1, &dim, err));
    for (int i = 0; i < n_v; i++)
        dsc_tensor_set_i64(&t, i, v[i]);
    st = add_init(g, n, what, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

enum dsc_status dsc_upgrade_ints(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                 int in_idx, struct dsc_err *err)
{
    const int64_t *v;
    const int n_v = dsc_node_ints(n, attr, &v);
    int id;

    if (n_v < 0)
        return DSC_OK;
    DSC_TRY(dsc_upgrade_list(g, n, attr, v, n_v, &id, err));
    DSC_TRY(dsc_node_set_in(g, n, in_idx, id, err));
    dsc_node_drop_attr(n, attr);
    return DSC_OK;
}

enum dsc_status dsc_upgrade_float(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                  enum dsc_dtype dtype, int in_idx, struct dsc_err *err)
{
    const struct dsc_attr *a = dsc_node_attr(n, attr);
    int id;

    if (!a || a->kind != DSC_ATTR_FLOAT)
        return DSC_OK;
    DSC_TRY(dsc_upgrade_scalar(g, n, attr, dtype, (double)a->f, &id, err));
    DSC_TRY(dsc_node_set_in(g, n, in_idx, id, err));
    dsc_node_drop_attr(n, attr);
    return DSC_OK;
}
