/* What passes share. */
#include "passes/rewrite.h"

#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>

struct dsc_node *dsc_producer(const struct dsc_graph *g, int value)
{
    const int p = value == DSC_NO_VALUE ? -1 : g->values[value].producer;

    return p < 0 ? NULL : g->nodes[p];
}

bool dsc_node_is(const struct dsc_node *n, const char *domain, const char *op)
{
    return n && n->op && strcmp(n->op->onnx, op) == 0 && strcmp(dsc_op_domain(n->op), domain) == 0;
}

bool dsc_is_plain_product(const struct dsc_node *n)
{
    if (dsc_node_is(n, "", "MatMul"))
        return true;
    return dsc_node_is(n, "", "Gemm") && !dsc_node_int(n, "transA", 0) &&
           dsc_node_float(n, "alpha", 1) == 1 && dsc_node_float(n, "beta", 1) == 1;
}

struct dsc_node *dsc_rows_of(const struct dsc_graph *g, int value)
{
    struct dsc_node *n = dsc_producer(g, value);
    const struct dsc_tensor *s = dsc_node_is(n, "", "Reshape") ? dsc_constant(g, n->in[1]) : NULL;

    return s && dsc_tensor_n_elems(s) == 2 && dsc_tensor_get_i64(s, 0) == -1 ? n : NULL;
}

void dsc_copy_transposed(const struct dsc_tensor *dst, const struct dsc_tensor *src)
{
    const size_t size = dsc_dtype_bytes(src->dtype, 1);
    const int64_t rows = src->dim[0], cols = src->dim[1];

    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            memcpy((char *)dst->data + (size_t)(c * rows + r) * size,
                   (const char *)src->data + (size_t)(r * cols + c) * size, size);
}

float dsc_usable_scale(float scale)
{
    return scale > DSC_FAKE_QUANT_MIN_SCALE ? scale : DSC_FAKE_QUANT_MIN_SCALE;
}

const struct dsc_tensor *dsc_constant(const struct dsc_graph *g, int value)
{
    const struct dsc_tensor *t = value == DSC_NO_VALUE ? NULL : &g->values[value].init;

    return dsc_tensor_is_present(t) && !g->values[value].is_input ? t : NULL;
}

enum { OWN_NAME_MAX = 512 };

static void free_value_name(const struct dsc_graph *g, const char *name, char *own)
{
    snprintf(own, OWN_NAME_MAX, "%s", name);
    for (int i = 2; dsc_graph_find_value(g, own) >= 0; i++)
        snprintf(own, OWN_NAME_MAX, "%.480s_%d", name, i);
}

enum dsc_status dsc_add_init(struct dsc_graph *g, const char *name, const struct dsc_tensor *t,
                             int *id, struct dsc_err *err)
{
    char own[OWN_NAME_MAX];

    free_value_name(g, name, own);
    return dsc_graph_init(g, own, t, id, err);
}

enum dsc_status dsc_add_value(struct dsc_graph *g, const char *name, int *id, struct dsc_err *err)
{
    char own[OWN_NAME_MAX];

    free_value_name(g, name, own);
    return dsc_graph_value(g, own, NULL, id, err);
}

enum dsc_status dsc_add_i64s(struct dsc_graph *g, const char *name, int n, const int64_t *v,
                             int *id, struct dsc_err *err)
{
    const int64_t dim = n;
    struct dsc_tensor t;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_I64, 1, &dim, err));
    for (int i = 0; i < n; i++)
        dsc_tensor_set_i64(&t, i, v[i]);
    st = dsc_add_init(g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

enum dsc_status dsc_add_node(struct dsc_graph *g, const char *domain, const char *op,
                             const char *name, int n_in, const int *in, int *out,
                             struct dsc_node **node, struct dsc_err *err)
{
    char own[OWN_NAME_MAX];

    snprintf(own, sizeof own, "%s", name);
    for (int i = 2; dsc_graph_find_node(g, own) >= 0; i++)
        snprintf(own, sizeof own, "%.480s_%d", name, i);
    return dsc_graph_call(g, domain, op, own, n_in, in, out, node, err);
}

enum dsc_status dsc_node_grow(struct dsc_graph *g, struct dsc_node *n, int n_in,
                              struct dsc_err *err)
{
    int *in;

    if (n_in <= n->n_in)
        return DSC_OK;
    DSC_NEW(in, &g->arena, n_in, err);
    for (int i = 0; i < n_in; i++)
        in[i] = i < n->n_in ? n->in[i] : DSC_NO_VALUE;
    n->in = in;
    n->n_in = n_in;
    return DSC_OK;
}
