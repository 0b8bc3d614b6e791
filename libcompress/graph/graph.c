/* Building and editing graphs. */
#include "dsc/graph.h"

#include "dsc/op.h"
#include "graph/names.h"

#include <stdio.h>
#include <string.h>

/* Make room for one more element of an arena array. */
static void *grown(struct dsc_graph *g, void *old, int n, int *cap, size_t elem_bytes,
                   struct dsc_err *err)
{
    void *p;

    if (n < *cap)
        return old;
    p = dsc_arena_alloc(&g->arena, (size_t)(*cap ? 2 * *cap : 16), elem_bytes, err);
    if (!p)
        return NULL;
    if (n)
        memcpy(p, old, (size_t)n * elem_bytes);
    *cap = *cap ? 2 * *cap : 16;
    return p;
}

#define GROW(g, array, n, cap, err)                                                           \
    do {                                                                                      \
        void *grown_ = grown((g), (g)->array, (g)->n, &(g)->cap, sizeof(g)->array[0], (err)); \
        if (!grown_)                                                                          \
            return DSC_E_MEMORY;                                                              \
        (g)->array = grown_;                                                                  \
    } while (0)

struct dsc_graph *dsc_graph_new(struct dsc_err *err)
{
    struct dsc_graph *g = dsc_heap_alloc(1, sizeof *g, err);

    if (!g)
        return NULL;
    dsc_arena_init(&g->arena);
    g->value_names = dsc_names_new(err);
    g->node_names = g->value_names ? dsc_names_new(err) : NULL;
    g->name = g->node_names ? dsc_arena_strdup(&g->arena, "graph", err) : NULL;
    if (!g->name) {
        dsc_graph_free(g);
        return NULL;
    }
    g->doc = g->producer_name = g->producer_version = g->domain = g->name + strlen(g->name);
    g->ir_version = 8;
    return g;
}

static void clear_attr(struct dsc_attr *a)
{
    if (a->kind == DSC_ATTR_TENSOR)
        dsc_tensor_clear(&a->tensor);
    if (a->kind == DSC_ATTR_GRAPH)
        dsc_graph_free(a->graph);
}

static void clear_node(struct dsc_node *n)
{
    for (int i = 0; i < n->n_attrs; i++)
        clear_attr(&n->attrs[i]);
    n->n_attrs = 0;
}

void dsc_graph_free(struct dsc_graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->n_values; i++)
        dsc_tensor_clear(&g->values[i].init);
    for (int i = 0; i < g->n_nodes; i++)
        clear_node(g->nodes[i]);
    dsc_names_free(g->value_names);
    dsc_names_free(g->node_names);
    dsc_arena_clear(&g->arena);
    dsc_heap_free(g);
}

/* A free name like "Gelu_3". */
static char *fresh_name(struct dsc_graph *g, const char *hint, const struct dsc_names *names,
                        int start, struct dsc_err *err)
{
    char text[256];

    for (int i = start;; i++) {
        snprintf(text, sizeof text, "%s_%d", hint, i);
        if (dsc_names_find(names, text) < 0)
            return dsc_arena_strdup(&g->arena, text, err);
    }
}

enum dsc_status dsc_graph_value(struct dsc_graph *g, const char *name, const struct dsc_type *type,
                                int *id, struct dsc_err *err)
{
    struct dsc_value *v;
    char *own;

    GROW(g, values, n_values, cap_values, err);
    own = name && name[0] ? dsc_arena_strdup(&g->arena, name, err)
                          : fresh_name(g, "v", g->value_names, g->n_values, err);
    if (!own)
        return DSC_E_MEMORY;
    DSC_TRY(dsc_names_add(g->value_names, own, g->n_values, err));
    v = &g->values[g->n_values];
    *v = (struct dsc_value){.name = own, .producer = -1};
    if (type)
        v->type = *type;
    else
        dsc_type_unknown(&v->type);
    *id = g->n_values++;
    return DSC_OK;
}

int dsc_graph_find_value(const struct dsc_graph *g, const char *name)
{
    return dsc_names_find(g->value_names, name);
}

int dsc_graph_find_node(const struct dsc_graph *g, const char *name)
{
    return dsc_names_find(g->node_names, name);
}

enum dsc_status dsc_graph_value_named(struct dsc_graph *g, const char *name, int *id,
                                      struct dsc_err *err)
{
    *id = dsc_graph_find_value(g, name);
    return *id >= 0 ? DSC_OK : dsc_graph_value(g, name, NULL, id, err);
}

enum dsc_status dsc_graph_set_init(struct dsc_graph *g, int value, const struct dsc_tensor *t,
                                   struct dsc_err *err)
{
    struct dsc_value *v = &g->values[value];
    struct dsc_tensor old = v->init;

    (void)err;
    dsc_tensor_ref(&v->init, t);
    dsc_tensor_clear(&old);
    dsc_type_of_tensor(&v->type, t);
    return DSC_OK;
}

enum dsc_status dsc_graph_init(struct dsc_graph *g, const char *name, const struct dsc_tensor *t,
                               int *id, struct dsc_err *err)
{
    DSC_TRY(dsc_graph_value(g, name, NULL, id, err));
    return dsc_graph_set_init(g, *id, t, err);
}

enum dsc_status dsc_graph_input(struct dsc_graph *g, int value, struct dsc_err *err)
{
    if (g->values[value].is_input)
        return dsc_fail(err, DSC_E_DUP, "graph input '%s' stands twice", g->values[value].name);
    GROW(g, inputs, n_inputs, cap_inputs, err);
    g->inputs[g->n_inputs++] = value;
    g->values[value].is_input = true;
    return DSC_OK;
}

enum dsc_status dsc_graph_output(struct dsc_graph *g, int value, struct dsc_err *err)
{
    GROW(g, outputs, n_outputs, cap_outputs, err);
    g->outputs[g->n_outputs++] = value;
    g->values[value].is_output = true;
    return DSC_OK;
}

enum dsc_status dsc_graph_symbol(struct dsc_graph *g, const char *name, int64_t *dim,
                                 struct dsc_err *err)
{
    for (int i = 0; i < g->n_symbols; i++) {
        if (strcmp(g->symbols[i], name) == 0) {
            *dim = dsc_dim_symbol(i);
            return DSC_OK;
        }
    }
    GROW(g, symbols, n_symbols, cap_symbols, err);
    g->symbols[g->n_symbols] = dsc_arena_strdup(&g->arena, name, err);
    if (!g->symbols[g->n_symbols])
        return DSC_E_MEMORY;
    *dim = dsc_dim_symbol(g->n_symbols++);
    return DSC_OK;
}

enum dsc_status dsc_graph_node(struct dsc_graph *g, const struct dsc_op *op, const char *name,
                               int n_in, const int *in, int n_out, const int *out,
                               struct dsc_node **node, struct dsc_err *err)
{
    struct dsc_node *n;

    GROW(g, nodes, n_nodes, cap_nodes, err);
    DSC_NEW(n, &g->arena, 1, err);
    DSC_NEW(n->in, &g->arena, n_in, err);
    DSC_NEW(n->out, &g->arena, n_out, err);
    n->name = name && name[0] ? dsc_arena_strdup(&g->arena, name, err)
                              : fresh_name(g, op->onnx, g->node_names, g->n_nodes, err);
    if (!n->name)
        return DSC_E_MEMORY;
    DSC_TRY(dsc_names_add(g->node_names, n->name, g->n_nodes, err));
    n->op = op;
    n->n_in = n_in;
    n->n_out = n_out;
    for (int i = 0; i < n_in; i++)
        n->in[i] = in[i];
    for (int i = 0; i < n_out; i++)
        n->out[i] = out[i];
    g->nodes[g->n_nodes++] = n;
    if (node)
        *node = n;
    return DSC_OK;
}

enum dsc_status dsc_graph_call(struct dsc_graph *g, const char *domain, const char *op_name,
                               const char *name, int n_in, const int *in, int *out_value,
                               struct dsc_node **node, struct dsc_err *err)
{
    const struct dsc_op *op = dsc_op_find(domain, op_name);
    char *out_name = NULL;

    if (!op)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "operator %s%s%s is not in the table",
                        domain ? domain : "", domain && domain[0] ? "." : "", op_name);
    if (name && name[0]) {
        out_name = dsc_arena_printf(&g->arena, err, "%s_out", name);
        if (!out_name)
            return DSC_E_MEMORY;
        if (dsc_graph_find_value(g, out_name) >= 0)
            out_name = NULL;
    }
    DSC_TRY(dsc_graph_value(g, out_name, NULL, out_value, err));
    return dsc_graph_node(g, op, name, n_in, in, 1, out_value, node, err);
}

bool dsc_node_has_in(const struct dsc_node *n, int i)
{
    return i < n->n_in && n->in[i] != DSC_NO_VALUE;
}

/* What users know of an output is its name: it moves to the value that takes the place. */
static void swap_names(struct dsc_graph *g, int a, int b)
{
    char *name = g->values[a].name;

    dsc_names_swap(g->value_names, name, g->values[b].name);
    g->values[a].name = g->values[b].name;
    g->values[b].name = name;
}

void dsc_graph_replace_uses(struct dsc_graph *g, int from, int to)
{
    const struct dsc_value *v = &g->values[to];
    const bool is_free = !v->is_input && !v->is_output && !dsc_tensor_is_present(&v->init);

    if (is_free && v->type.dtype == DSC_DTYPE_NONE && v->type.rank < 0)
        g->values[to].type = g->values[from].type;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_in; k++)
            if (g->nodes[i]->in[k] == from)
                g->nodes[i]->in[k] = to;
    for (int i = 0; i < g->n_outputs; i++) {
        if (g->outputs[i] != from)
            continue;
        if (is_free && !v->is_output)
            swap_names(g, from, to);
        g->outputs[i] = to;
        g->values[to].is_output = true;
        g->values[from].is_output = false;
    }
}

void dsc_graph_remove_node(struct dsc_node *n)
{
    n->op = NULL;
}

const char *dsc_graph_prop(const struct dsc_graph *g, const char *key)
{
    for (int i = 0; i < g->n_props; i++)
        if (strcmp(g->props[i].key, key) == 0)
            return g->props[i].value;
    return NULL;
}

enum dsc_status dsc_graph_set_prop(struct dsc_graph *g, const char *key, const char *value,
                                   struct dsc_err *err)
{
    int i = 0;
    char *own = NULL;

    while (i < g->n_props && strcmp(g->props[i].key, key) != 0)
        i++;
    if (!value) {
        for (; i + 1 < g->n_props; i++)
            g->props[i] = g->props[i + 1];
        g->n_props -= i < g->n_props;
        return DSC_OK;
    }
    own = dsc_arena_strdup(&g->arena, value, err);
    if (!own)
        return DSC_E_MEMORY;
    if (i == g->n_props) {
        GROW(g, props, n_props, cap_props, err);
        g->props[i].key = dsc_arena_strdup(&g->arena, key, err);
        if (!g->props[i].key)
            return DSC_E_MEMORY;
        g->n_props++;
    }
    g->props[i].value = own;
    return DSC_OK;
}

static const char *plain_domain(const char *d)
{
    return !d || strcmp(d, "ai.onnx") == 0 ? "" : d;
}

int64_t dsc_graph_opset(const struct dsc_graph *g, const char *domain)
{
    for (int i = 0; i < g->n_opsets; i++)
        if (strcmp(g->opsets[i].domain, plain_domain(domain)) == 0)
            return g->opsets[i].version;
    return 0;
}

enum dsc_status dsc_graph_set_opset(struct dsc_graph *g, const char *domain, int64_t version,
                                    struct dsc_err *err)
{
    struct dsc_opset *all;

    for (int i = 0; i < g->n_opsets; i++) {
        if (strcmp(g->opsets[i].domain, plain_domain(domain)) == 0) {
            g->opsets[i].version = version;
            return DSC_OK;
        }
    }
    DSC_NEW(all, &g->arena, g->n_opsets + 1, err);
    if (g->n_opsets)
        memcpy(all, g->opsets, (size_t)g->n_opsets * sizeof *all);
    all[g->n_opsets].domain = dsc_arena_strdup(&g->arena, plain_domain(domain), err);
    if (!all[g->n_opsets].domain)
        return DSC_E_MEMORY;
    all[g->n_opsets].version = version;
    g->opsets = all;
    g->n_opsets++;
    return DSC_OK;
}

static enum dsc_status copy_attr(struct dsc_graph *dst, struct dsc_node *n,
                                 const struct dsc_attr *a, struct dsc_err *err)
{
    struct dsc_attr *slot = NULL;

    switch (a->kind) {
    case DSC_ATTR_FLOAT:
        return dsc_node_set_float(dst, n, a->name, a->f, err);
    case DSC_ATTR_INT:
        return dsc_node_set_int(dst, n, a->name, a->i, err);
    case DSC_ATTR_INTS:
        return dsc_node_set_ints(dst, n, a->name, a->ints, a->n, err);
    case DSC_ATTR_STRING:
        DSC_TRY(dsc_node_attr_slot(dst, n, a->name, &slot, err));
        slot->s = dsc_arena_strndup(&dst->arena, a->s, (size_t)a->n, err);
        if (!slot->s)
            return DSC_E_MEMORY;
        break;
    case DSC_ATTR_TENSOR:
        DSC_TRY(dsc_node_attr_slot(dst, n, a->name, &slot, err));
        dsc_tensor_ref(&slot->tensor, &a->tensor);
        break;
    case DSC_ATTR_FLOATS:
        DSC_TRY(dsc_node_attr_slot(dst, n, a->name, &slot, err));
        DSC_NEW(slot->floats, &dst->arena, a->n, err);
        if (a->n)
            memcpy(slot->floats, a->floats, (size_t)a->n * sizeof(float));
        break;
    case DSC_ATTR_STRINGS:
        DSC_TRY(dsc_node_attr_slot(dst, n, a->name, &slot, err));
        DSC_NEW(slot->strings, &dst->arena, a->n, err);
        for (int i = 0; i < a->n; i++) {
            slot->strings[i] = dsc_arena_strdup(&dst->arena, a->strings[i], err);
            if (!slot->strings[i])
                return DSC_E_MEMORY;
        }
        break;
    case DSC_ATTR_GRAPH:
        DSC_TRY(dsc_node_attr_slot(dst, n, a->name, &slot, err));
        slot->graph = dsc_graph_copy(a->graph, err);
        if (!slot->graph)
            return DSC_E_MEMORY;
        break;
    }
    slot->kind = a->kind;
    slot->n = a->n;
    return DSC_OK;
}

enum dsc_status dsc_graph_import_node(struct dsc_graph *g, const struct dsc_node *n,
                                      const char *name, const int *in, const int *out,
                                      struct dsc_node **copy, struct dsc_err *err)
{
    DSC_TRY(dsc_graph_node(g, n->op, name, n->n_in, in, n->n_out, out, copy, err));
    for (int i = 0; i < n->n_attrs; i++)
        DSC_TRY(copy_attr(g, *copy, &n->attrs[i], err));
    return DSC_OK;
}

enum dsc_status dsc_graph_clone_node(struct dsc_graph *g, const struct dsc_node *n,
                                     struct dsc_node **copy, struct dsc_err *err)
{
    int *out;

    DSC_NEW(out, &g->arena, n->n_out, err);
    for (int i = 0; i < n->n_out; i++) {
        out[i] = DSC_NO_VALUE;
        if (n->out[i] != DSC_NO_VALUE)
            DSC_TRY(dsc_graph_value(g, NULL, &g->values[n->out[i]].type, &out[i], err));
    }
    return dsc_graph_import_node(g, n, NULL, n->in, out, copy, err);
}

/* The name of a dead value may be another's by now: it gets one that the source does not hold. */
static const char *name_in_copy(const struct dsc_graph *src, int i, char *dead, size_t n_dead)
{
    if (dsc_graph_find_value(src, src->values[i].name) == i)
        return src->values[i].name;
    snprintf(dead, n_dead, "dead.%d", i);
    for (int k = 2; dsc_graph_find_value(src, dead) >= 0; k++)
        snprintf(dead, n_dead, "dead.%d.%d", i, k);
    return dead;
}

static enum dsc_status copy_values(struct dsc_graph *dst, const struct dsc_graph *src,
                                   struct dsc_err *err)
{
    int id;
    int64_t dim;

    for (int i = 0; i < src->n_symbols; i++)
        DSC_TRY(dsc_graph_symbol(dst, src->symbols[i], &dim, err));
    for (int i = 0; i < src->n_values; i++) {
        char dead[32];
        const char *name = name_in_copy(src, i, dead, sizeof dead);

        DSC_TRY(dsc_graph_value(dst, name, &src->values[i].type, &id, err));
        if (dsc_tensor_is_present(&src->values[i].init))
            DSC_TRY(dsc_graph_set_init(dst, id, &src->values[i].init, err));
    }
    for (int i = 0; i < src->n_inputs; i++)
        DSC_TRY(dsc_graph_input(dst, src->inputs[i], err));
    for (int i = 0; i < src->n_outputs; i++)
        DSC_TRY(dsc_graph_output(dst, src->outputs[i], err));
    return DSC_OK;
}

static enum dsc_status copy_into(struct dsc_graph *dst, const struct dsc_graph *src,
                                 struct dsc_err *err)
{
    struct dsc_node *n;

    dst->name = dsc_arena_strdup(&dst->arena, src->name, err);
    dst->doc = dsc_arena_strdup(&dst->arena, src->doc, err);
    dst->producer_name = dsc_arena_strdup(&dst->arena, src->producer_name, err);
    dst->producer_version = dsc_arena_strdup(&dst->arena, src->producer_version, err);
    dst->domain = dsc_arena_strdup(&dst->arena, src->domain, err);
    if (!dst->name || !dst->doc || !dst->producer_name || !dst->producer_version || !dst->domain)
        return DSC_E_MEMORY;
    dst->ir_version = src->ir_version;
    dst->model_version = src->model_version;
    for (int i = 0; i < src->n_opsets; i++)
        DSC_TRY(dsc_graph_set_opset(dst, src->opsets[i].domain, src->opsets[i].version, err));
    for (int i = 0; i < src->n_props; i++)
        DSC_TRY(dsc_graph_set_prop(dst, src->props[i].key, src->props[i].value, err));
    DSC_TRY(copy_values(dst, src, err));
    for (int i = 0; i < src->n_nodes; i++) {
        const struct dsc_node *s = src->nodes[i];

        if (!s->op)
            continue;
        DSC_TRY(dsc_graph_import_node(dst, s, s->name, s->in, s->out, &n, err));
    }
    return dsc_graph_sort(dst, false, err);
}

struct dsc_graph *dsc_graph_copy(const struct dsc_graph *src, struct dsc_err *err)
{
    struct dsc_graph *dst = dsc_graph_new(err);

    if (dst && copy_into(dst, src, err) != DSC_OK) {
        dsc_graph_free(dst);
        return NULL;
    }
    return dst;
}
