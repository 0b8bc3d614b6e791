/*
 * The way back from the standard spelling: Q/DQ pairs and dequantized constants become
 * FakeQuantize, whose weights are the dequantized float masters. Biases become plain float.
 */
#include "dsc/quant.h"
#include "passes/rewrite.h"

#include <stdio.h>

/* (code - zero) * scale of a constant. */
static enum dsc_status dequantize_constant(const struct dsc_tensor *code,
                                           const struct dsc_tensor *s, const struct dsc_tensor *z,
                                           int64_t axis, struct dsc_tensor *out,
                                           struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(code), n_scales = dsc_tensor_n_elems(s);
    int64_t inner = 1;

    if (axis < 0)
        axis += code->rank;
    for (int64_t k = axis + 1; k < code->rank; k++)
        inner *= code->dim[k];
    if (n_scales > 1 && (axis < 0 || axis >= code->rank || code->dim[axis] != n_scales))
        return dsc_fail(err, DSC_E_SHAPE, "%lld scales do not fit the axis", (long long)n_scales);
    DSC_TRY(dsc_tensor_new(out, DSC_F32, code->rank, code->dim, err));
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = n_scales == 1 ? 0 : i / inner % n_scales;
        const int64_t zero = z ? dsc_tensor_get_i64(z, dsc_tensor_n_elems(z) == 1 ? 0 : k) : 0;

        ((float *)out->data)[i] =
            (float)(dsc_tensor_get_i64(code, i) - zero) * (float)dsc_tensor_get_f64(s, k);
    }
    return DSC_OK;
}

struct dq {
    struct dsc_node *node;
    const struct dsc_tensor *scale, *zero; /* zero: NULL when left out */
    int64_t axis;
};

static bool read_dq(const struct dsc_graph *g, struct dsc_node *n, struct dq *d)
{
    if (!dsc_node_is(n, "", "DequantizeLinear") || dsc_node_int(n, "block_size", 0) != 0)
        return false;
    d->node = n;
    d->scale = dsc_constant(g, n->in[1]);
    d->zero = dsc_node_has_in(n, 2) ? dsc_constant(g, n->in[2]) : NULL;
    d->axis = dsc_node_int(n, "axis", 1);
    return d->scale && d->scale->dtype == DSC_F32 && (!dsc_node_has_in(n, 2) || d->zero);
}

/* The zero point as a value number: the node's own, or a new constant 0 of the code's type. */
static enum dsc_status zero_of(struct dsc_graph *g, const struct dq *d, enum dsc_dtype code,
                               int *id, struct dsc_err *err)
{
    struct dsc_tensor z;
    char name[300];
    enum dsc_status st;

    if (d->zero) {
        *id = d->node->in[2];
        return DSC_OK;
    }
    DSC_TRY(dsc_tensor_new(&z, code, d->scale->rank, d->scale->dim, err));
    snprintf(name, sizeof name, "%s/zero_point", d->node->name);
    st = dsc_add_init(g, name, &z, id, err);
    dsc_tensor_clear(&z);
    return st;
}

static enum dsc_status make_fake(struct dsc_graph *g, const struct dq *d, int x, bool is_weight,
                                 int zero, int *out, struct dsc_err *err)
{
    char name[300];
    struct dsc_node *n;

    snprintf(name, sizeof name, "%s/fake_quantize", g->values[x].name);
    DSC_TRY(dsc_add_node(g, "dsc", "FakeQuantize", name, 3, (int[]){x, d->node->in[1], zero}, out,
                         &n, err));
    if (is_weight)
        DSC_TRY(dsc_node_set_int(g, n, "narrow", 1, err));
    return dsc_node_set_int(g, n, "axis", d->axis, err);
}

/* Name of the float master: what finish called NAME_quantized was NAME. */
static void master_name(const char *code, char *name, size_t n_name)
{
    static const char suffix[] = "_quantized";
    const int n = (int)snprintf(NULL, 0, "%s", code);
    const int cut = n - (int)sizeof suffix + 1;

    snprintf(name, n_name, "%.*s",
             cut > 0 && snprintf(NULL, 0, "%s", code + cut) == (int)sizeof suffix - 1 &&
                     !__builtin_strcmp(code + cut, suffix)
                 ? cut
                 : n,
             code);
}

static enum dsc_status add_master(struct dsc_graph *g, const struct dq *d, int code, int *master,
                                  struct dsc_err *err)
{
    struct dsc_tensor w;
    char name[300];
    enum dsc_status st;

    DSC_TRY(dequantize_constant(&g->values[code].init, d->scale, d->zero, d->axis, &w, err));
    master_name(g->values[code].name, name, sizeof name);
    st = dsc_add_init(g, name, &w, master, err);
    dsc_tensor_clear(&w);
    return st;
}

static enum dsc_status read_constant(struct dsc_graph *g, const struct dq *d, struct dsc_err *err)
{
    const enum dsc_dtype code = g->values[d->node->in[0]].init.dtype;
    int master, zero, out;

    DSC_TRY(add_master(g, d, d->node->in[0], &master, err));
    if (code == DSC_I32) {
        out = master;
    } else {
        DSC_TRY(zero_of(g, d, code, &zero, err));
        DSC_TRY(make_fake(g, d, master, true, zero, &out, err));
    }
    dsc_graph_replace_uses(g, d->node->out[0], out);
    dsc_graph_remove_node(d->node);
    return DSC_OK;
}

/* Gather(codes) -> DQ becomes Gather(master) -> FakeQuantize. */
static enum dsc_status read_table(struct dsc_graph *g, const struct dq *d, struct dsc_node *lookup,
                                  struct dsc_err *err)
{
    const enum dsc_dtype code = g->values[lookup->in[0]].init.dtype;
    const struct dq by_column = {d->node, d->scale, d->zero, 1}; /* of the table itself */
    int master, zero, rows, out;

    DSC_TRY(add_master(g, &by_column, lookup->in[0], &master, err));
    DSC_TRY(zero_of(g, d, code, &zero, err));
    DSC_TRY(dsc_graph_value(g, NULL, NULL, &rows, err));
    lookup->in[0] = master;
    lookup->out[0] = rows;
    DSC_TRY(make_fake(g, d, rows, true, zero, &out, err));
    dsc_graph_replace_uses(g, d->node->out[0], out);
    dsc_graph_remove_node(d->node);
    return DSC_OK;
}

static enum dsc_status read_pair(struct dsc_graph *g, const struct dq *d, struct dsc_node *q,
                                 struct dsc_err *err)
{
    int zero, out;

    DSC_TRY(zero_of(g, d, DSC_U8, &zero, err));
    DSC_TRY(make_fake(g, d, q->in[0], false, zero, &out, err));
    dsc_graph_replace_uses(g, d->node->out[0], out);
    dsc_graph_remove_node(d->node);
    return DSC_OK;
}

enum dsc_status dsc_quant_read(struct dsc_graph *g, int *n_found, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    *n_found = 0;
    for (int i = 0; i < n_nodes; i++) {
        struct dq d;
        struct dsc_node *from;

        if (!g->nodes[i]->op || !read_dq(g, g->nodes[i], &d))
            continue;
        from = dsc_producer(g, d.node->in[0]);
        if (dsc_constant(g, d.node->in[0]))
            DSC_TRY(read_constant(g, &d, err));
        else if (from && from->op && from->op->quant == DSC_QUANT_TABLE &&
                 dsc_constant(g, from->in[0]) && g->values[from->out[0]].n_uses == 1)
            DSC_TRY(read_table(g, &d, from, err));
        else if (dsc_node_is(from, "", "QuantizeLinear") && from->in[1] == d.node->in[1])
            DSC_TRY(read_pair(g, &d, from, err));
        else
            continue;
        ++*n_found;
    }
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
