/* Arity, attributes and types of every node: nothing runs that has not passed here. */
#include "dsc/graph.h"
#include "dsc/op.h"

#include <stdio.h>

enum { VERIFY_MAX_ARITY = 65536 };

static enum dsc_status check_arity(const struct dsc_node *n, struct dsc_err *err)
{
    const struct dsc_op *op = n->op;
    const int max_in = op->is_variadic_in ? VERIFY_MAX_ARITY : op->n_in + op->n_in_optional;
    const int max_out = op->is_variadic_out ? VERIFY_MAX_ARITY : op->n_out + op->n_out_optional;

    if (n->n_in < op->n_in || n->n_in > max_in)
        return dsc_fail(err, DSC_E_INCONSISTENT, "%s takes %d to %d inputs, the node has %d",
                        op->onnx, op->n_in, max_in, n->n_in);
    if (n->n_out < 1 || n->n_out > max_out)
        return dsc_fail(err, DSC_E_INCONSISTENT, "%s has up to %d outputs, the node has %d",
                        op->onnx, max_out, n->n_out);
    for (int i = 0; i < op->n_in; i++)
        if (n->in[i] == DSC_NO_VALUE)
            return dsc_fail(err, DSC_E_INCONSISTENT, "input %d of %s is required", i, op->onnx);
    return DSC_OK;
}

/* Static value of an input that is an initializer; the host reads no other before run time. */
static const struct dsc_tensor *known_value(const struct dsc_graph *g, int value)
{
    const struct dsc_tensor *t = value == DSC_NO_VALUE ? NULL : &g->values[value].init;

    return dsc_tensor_is_present(t) && !g->values[value].is_input ? t : NULL;
}

/* The file's declared type and the inferred one: the better known wins, contradictions lose. */
static enum dsc_status merge_type(struct dsc_value *v, const struct dsc_type *t,
                                  struct dsc_err *err)
{
    if (t->dtype == DSC_DTYPE_NONE)
        return DSC_OK;
    if (v->is_output && v->type.dtype != DSC_DTYPE_NONE && v->type.dtype != t->dtype)
        return dsc_fail(err, DSC_E_TYPE, "output '%s' is declared %s and computed as %s", v->name,
                        dsc_dtype_text(v->type.dtype), dsc_dtype_text(t->dtype));
    if (t->rank < 0 && v->type.rank >= 0) {
        v->type.dtype = t->dtype;
        return DSC_OK;
    }
    if (t->rank == v->type.rank) {
        struct dsc_type merged = *t;

        for (int i = 0; i < t->rank; i++)
            if (t->dim[i] < 0 && v->type.dim[i] != DSC_DIM_UNKNOWN)
                merged.dim[i] = v->type.dim[i];
        v->type = merged;
        return DSC_OK;
    }
    v->type = *t;
    return DSC_OK;
}

static enum dsc_status infer_node(struct dsc_graph *g, const struct dsc_node *n,
                                  struct dsc_arena *scratch, struct dsc_err *err)
{
    struct dsc_type *in, *out;
    const struct dsc_tensor **value;

    DSC_NEW(in, scratch, n->n_in, err);
    DSC_NEW(out, scratch, n->n_out, err);
    DSC_NEW(value, scratch, n->n_in, err);
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] == DSC_NO_VALUE) {
            dsc_type_unknown(&in[i]);
            continue;
        }
        in[i] = g->values[n->in[i]].type;
        value[i] = known_value(g, n->in[i]);
    }
    for (int i = 0; i < n->n_out; i++)
        dsc_type_unknown(&out[i]);
    DSC_TRY(n->op->infer(
        &(struct dsc_infer){
            .node = n, .n_in = n->n_in, .n_out = n->n_out, .in = in, .value = value, .out = out},
        err));
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i] != DSC_NO_VALUE)
            DSC_TRY(merge_type(&g->values[n->out[i]], &out[i], err));
    return DSC_OK;
}

static enum dsc_status verify_node(struct dsc_graph *g, const struct dsc_node *n,
                                   struct dsc_arena *scratch, struct dsc_err *err)
{
    const struct dsc_arena_mark mark = dsc_arena_mark(scratch);
    enum dsc_status st = check_arity(n, err);

    if (st == DSC_OK)
        st = infer_node(g, n, scratch, err);
    if (st != DSC_OK)
        dsc_err_where(err, "node '%s' (%s)", n->name, n->op->onnx);
    dsc_arena_reset(scratch, mark);
    return st;
}

enum dsc_status dsc_graph_infer_node(struct dsc_graph *g, const struct dsc_node *n,
                                     struct dsc_err *err)
{
    struct dsc_arena scratch;
    enum dsc_status st;

    dsc_arena_init(&scratch);
    st = verify_node(g, n, &scratch, err);
    dsc_arena_clear(&scratch);
    return st;
}

enum dsc_status dsc_graph_verify(struct dsc_graph *g, struct dsc_err *err)
{
    struct dsc_arena scratch;
    enum dsc_status st = dsc_graph_sort(g, false, err);

    dsc_arena_init(&scratch);
    for (int i = 0; st == DSC_OK && i < g->n_nodes; i++)
        st = verify_node(g, g->nodes[i], &scratch, err);
    dsc_arena_clear(&scratch);
    return st;
}
