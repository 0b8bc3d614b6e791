/* Attributes of nodes. */
#include "dsc/graph.h"

#include <string.h>

const struct dsc_attr *dsc_node_attr(const struct dsc_node *n, const char *name)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return &n->attrs[i];
    return NULL;
}

static const struct dsc_attr *attr_of(const struct dsc_node *n, const char *name,
                                      enum dsc_attr_kind kind)
{
    const struct dsc_attr *a = dsc_node_attr(n, name);

    return a && a->kind == kind ? a : NULL;
}

int64_t dsc_node_int(const struct dsc_node *n, const char *name, int64_t fallback)
{
    const struct dsc_attr *a = attr_of(n, name, DSC_ATTR_INT);

    return a ? a->i : fallback;
}

float dsc_node_float(const struct dsc_node *n, const char *name, float fallback)
{
    const struct dsc_attr *a = attr_of(n, name, DSC_ATTR_FLOAT);

    return a ? a->f : fallback;
}

const char *dsc_node_string(const struct dsc_node *n, const char *name, const char *fallback)
{
    const struct dsc_attr *a = attr_of(n, name, DSC_ATTR_STRING);

    return a ? a->s : fallback;
}

int dsc_node_ints(const struct dsc_node *n, const char *name, const int64_t **v)
{
    const struct dsc_attr *a = attr_of(n, name, DSC_ATTR_INTS);

    *v = a ? a->ints : NULL;
    return a ? a->n : -1;
}

enum dsc_status dsc_node_attr_slot(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                   struct dsc_attr **slot, struct dsc_err *err)
{
    struct dsc_attr *all;

    dsc_node_drop_attr(n, attr);
    DSC_NEW(all, &g->arena, n->n_attrs + 1, err);
    if (n->n_attrs)
        memcpy(all, n->attrs, (size_t)n->n_attrs * sizeof *all);
    all[n->n_attrs].name = dsc_arena_strdup(&g->arena, attr, err);
    if (!all[n->n_attrs].name)
        return DSC_E_MEMORY;
    n->attrs = all;
    *slot = &all[n->n_attrs++];
    return DSC_OK;
}

void dsc_node_drop_attr(struct dsc_node *n, const char *attr)
{
    for (int i = 0; i < n->n_attrs; i++) {
        if (strcmp(n->attrs[i].name, attr) != 0)
            continue;
        if (n->attrs[i].kind == DSC_ATTR_TENSOR)
            dsc_tensor_clear(&n->attrs[i].tensor);
        if (n->attrs[i].kind == DSC_ATTR_GRAPH)
            dsc_graph_free(n->attrs[i].graph);
        n->n_attrs--;
        memmove(&n->attrs[i], &n->attrs[i + 1], (size_t)(n->n_attrs - i) * sizeof n->attrs[0]);
        return;
    }
}

enum dsc_status dsc_node_set_int(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                 int64_t v, struct dsc_err *err)
{
    struct dsc_attr *a;

    DSC_TRY(dsc_node_attr_slot(g, n, attr, &a, err));
    a->kind = DSC_ATTR_INT;
    a->i = v;
    return DSC_OK;
}

enum dsc_status dsc_node_set_float(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                   float v, struct dsc_err *err)
{
    struct dsc_attr *a;

    DSC_TRY(dsc_node_attr_slot(g, n, attr, &a, err));
    a->kind = DSC_ATTR_FLOAT;
    a->f = v;
    return DSC_OK;
}

enum dsc_status dsc_node_set_ints(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                  const int64_t *v, int n_v, struct dsc_err *err)
{
    struct dsc_attr *a;

    DSC_TRY(dsc_node_attr_slot(g, n, attr, &a, err));
    DSC_NEW(a->ints, &g->arena, n_v, err);
    if (n_v)
        memcpy(a->ints, v, (size_t)n_v * sizeof *v);
    a->kind = DSC_ATTR_INTS;
    a->n = n_v;
    return DSC_OK;
}

enum dsc_status dsc_node_set_string(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                    const char *v, struct dsc_err *err)
{
    struct dsc_attr *a;

    DSC_TRY(dsc_node_attr_slot(g, n, attr, &a, err));
    a->s = dsc_arena_strdup(&g->arena, v, err);
    if (!a->s)
        return DSC_E_MEMORY;
    a->kind = DSC_ATTR_STRING;
    a->n = (int)strlen(v);
    return DSC_OK;
}
