/*
 * Rewrites before quantization.
 *
 * MatMul(x [.., K], W constant [K, N]) + Add(bias constant [N]) becomes Reshape to [rows, K],
 * Gemm(x, W, bias), Reshape back. Runtimes have an integer kernel for Gemm with an int32 bias, but
 * run MatMul + float Add in float (docs/adr/0002). A Transpose of a constant weight is folded.
 * A MatMul without a bias stays a MatMul. The output shape is [x's leading sizes, N]: with rank 2
 * no Reshape is needed; with a higher rank the leading sizes are taken by Shape at run time, so
 * symbolic sizes stay symbolic.
 */
#include "dsc/quant.h"
#include "passes/rewrite.h"

#include <stdio.h>
#include <string.h>

/* The one consumer of a value, or NULL. */
static struct dsc_node *only_consumer(const struct dsc_graph *g, int value)
{
    struct dsc_node *found = NULL;

    if (g->values[value].n_uses != 1 || g->values[value].is_output)
        return NULL;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; g->nodes[i]->op && k < g->nodes[i]->n_in; k++)
            if (g->nodes[i]->in[k] == value)
                found = g->nodes[i];
    return found;
}

/* Transpose of a constant matrix -> the transposed constant, under the weight's own name. */
enum dsc_status dsc_quant_fold_transposes(struct dsc_graph *g, struct dsc_err *err)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        const struct dsc_tensor *w;
        struct dsc_tensor t;
        char name[300];
        int id;
        enum dsc_status st;

        if (!dsc_node_is(n, "", "Transpose") || !(w = dsc_constant(g, n->in[0])) || w->rank != 2 ||
            !dsc_dtype_is_float(w->dtype))
            continue;
        DSC_TRY(dsc_tensor_new(&t, w->dtype, 2, (int64_t[]){w->dim[1], w->dim[0]}, err));
        dsc_copy_transposed(&t, w);
        snprintf(name, sizeof name, "%s.T", g->values[n->in[0]].name);
        st = dsc_add_init(g, name, &t, &id, err);
        dsc_tensor_clear(&t);
        DSC_TRY(st);
        dsc_graph_replace_uses(g, n->out[0], id);
        dsc_graph_remove_node(n);
    }
    return dsc_graph_sort(g, true, err);
}

/* The constant [N] input of an Add whose other input is `value`; -1 when it is something else. */
static int bias_of(const struct dsc_graph *g, const struct dsc_node *add, int value, int64_t n_cols)
{
    const int other = add->in[0] == value ? 1 : 0;
    const struct dsc_tensor *b = dsc_constant(g, add->in[other]);

    return b && b->rank == 1 && b->dim[0] == n_cols ? add->in[other] : -1;
}

/* [.., K] -> [rows, K]; and after the product, back to [leading sizes of x, N]. */
static enum dsc_status flatten_rows(struct dsc_graph *g, const char *name, int x, int64_t k,
                                    int *flat, struct dsc_err *err)
{
    char text[300];
    int shape;

    for (int i = 0; i < g->n_nodes; i++) { /* readers of one tensor share it, and its codes later */
        const struct dsc_node *n = g->nodes[i];
        const struct dsc_tensor *s =
            dsc_node_is(n, "", "Reshape") ? dsc_constant(g, n->in[1]) : NULL;

        if (s && n->in[0] == x && s->dim[0] == 2 && dsc_tensor_get_i64(s, 0) == -1 &&
            dsc_tensor_get_i64(s, 1) == k) {
            *flat = n->out[0];
            return DSC_OK;
        }
    }
    snprintf(text, sizeof text, "%s/rows_shape", name);
    DSC_TRY(dsc_add_i64s(g, text, 2, (int64_t[]){-1, k}, &shape, err));
    snprintf(text, sizeof text, "%s/rows", name);
    return dsc_add_node(g, "", "Reshape", text, 2, (int[]){x, shape}, flat, NULL, err);
}

static enum dsc_status restore_rows(struct dsc_graph *g, const char *name, int x, int rank,
                                    int64_t n_cols, int y, struct dsc_node **back,
                                    struct dsc_err *err)
{
    char text[300];
    int leading, cols, shape, out;
    struct dsc_node *n;

    snprintf(text, sizeof text, "%s/leading", name);
    DSC_TRY(dsc_add_node(g, "", "Shape", text, 1, &x, &leading, &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "start", 0, err));
    DSC_TRY(dsc_node_set_int(g, n, "end", rank - 1, err));
    snprintf(text, sizeof text, "%s/cols", name);
    DSC_TRY(dsc_add_i64s(g, text, 1, &n_cols, &cols, err));
    snprintf(text, sizeof text, "%s/shape", name);
    DSC_TRY(dsc_add_node(g, "", "Concat", text, 2, (int[]){leading, cols}, &shape, &n, err));
    DSC_TRY(dsc_node_set_int(g, n, "axis", 0, err));
    snprintf(text, sizeof text, "%s/back", name);
    return dsc_add_node(g, "", "Reshape", text, 2, (int[]){y, shape}, &out, back, err);
}

static enum dsc_status make_gemm(struct dsc_graph *g, struct dsc_node *mm, struct dsc_node *add,
                                 int bias, struct dsc_err *err)
{
    const struct dsc_tensor *w = dsc_constant(g, mm->in[1]);
    const int rank = g->values[mm->in[0]].type.rank;
    struct dsc_node *last;
    int x = mm->in[0], y;

    if (rank != 2)
        DSC_TRY(flatten_rows(g, mm->name, mm->in[0], w->dim[0], &x, err));
    char text[300];

    snprintf(text, sizeof text, "%s/gemm", mm->name);
    DSC_TRY(dsc_add_node(g, "", "Gemm", text, 3, (int[]){x, mm->in[1], bias}, &y, &last, err));
    if (rank != 2)
        DSC_TRY(restore_rows(g, mm->name, mm->in[0], rank, w->dim[1], y, &last, err));
    last->out[0] = add->out[0]; /* the layer's output keeps its name */
    dsc_graph_remove_node(mm);
    dsc_graph_remove_node(add);
    return DSC_OK;
}

enum dsc_status dsc_quant_prepare(struct dsc_graph *g, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    DSC_TRY(dsc_graph_sort(g, true, err));
    DSC_TRY(dsc_quant_fold_transposes(g, err));
    for (int i = 0; i < g->n_nodes && i < n_nodes; i++) {
        struct dsc_node *mm = g->nodes[i], *add;
        const struct dsc_tensor *w;
        int bias;

        if (!dsc_node_is(mm, "", "MatMul") || !(w = dsc_constant(g, mm->in[1])) || w->rank != 2 ||
            g->values[mm->in[0]].type.rank < 2)
            continue;
        add = only_consumer(g, mm->out[0]);
        if (!dsc_node_is(add, "", "Add") || (bias = bias_of(g, add, mm->out[0], w->dim[1])) < 0)
            continue;
        DSC_TRY(make_gemm(g, mm, add, bias, err));
    }
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
