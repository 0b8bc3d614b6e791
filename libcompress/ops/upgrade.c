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

enum dsc_status dsc_upgrade_align(struct dsc_graph *g, struct dsc_node *n, int in_idx, int axis,
                                  struct dsc_err *err)
{
    const int rank = g->values[n->in[0]].type.rank;
    const int rank_in = g->values[n->in[in_idx]].type.rank;
    int64_t shape[DSC_MAX_RANK];
    int in[2] = {n->in[in_idx], DSC_NO_VALUE}, out, k = 0;

    if (rank < 0 || rank_in < 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED,
                        "broadcasting of opset 6 between values of unknown rank");
    if (axis < 0 || axis + rank_in > rank)
        return dsc_fail(err, DSC_E_RANGE, "%d axes from axis %d on in a value of %d", rank_in, axis,
                        rank);
    if (axis + rank_in == rank)
        return DSC_OK;
    while (k < rank_in)
        shape[k++] = 0; /* as it is */
    while (k < rank - axis)
        shape[k++] = 1;
    DSC_TRY(dsc_upgrade_list(g, n, "axes_of_1", shape, k, &in[1], err));
    DSC_TRY(dsc_graph_call(g, NULL, "Reshape", NULL, 2, in, &out, NULL, err));
    n->in[in_idx] = out;
    return DSC_OK;
}

enum dsc_status dsc_upgrade_broadcast(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                                      struct dsc_err *err)
{
    const int64_t axis = dsc_node_int(n, "axis", -1);

    if (opset >= 7)
        return DSC_OK;
    dsc_node_drop_attr(n, "broadcast");
    dsc_node_drop_attr(n, "axis");
    dsc_node_drop_attr(n, "consumed_inputs");
    if (axis < 0 || !dsc_node_has_in(n, 1))
        return DSC_OK;
    return dsc_upgrade_align(g, n, 1, axis > DSC_MAX_RANK ? DSC_MAX_RANK : (int)axis, err);
}
