/*
 * Another float type for a graph; its inputs and outputs stay f32.
 *
 * f16, f32: weights, constants and what is computed. Casts stand at float inputs and outputs, and
 * around the few operators that take no f16. A constant that f16 cannot hold is brought to its
 * range: a mask of -3.4e38 to -65504, an epsilon of 1e-12 to 2^-24; both mean what they meant
 * ("far below all others", "not zero"), where infinity and 0 would give NaN.
 *
 * bf16: weights alone, each behind a Cast to f32. ONNX Runtime's CPU has no products, sums or
 * Softmax of bf16 (1.23 refuses such a graph), and folds the Casts when it loads the file.
 */
#include "dsc/pass.h"
#include "dsc/quant.h"
#include "passes/rewrite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define F16_MAX 65504.0
#define F16_TINY 0x1p-24

struct change {
    struct dsc_graph *g;
    enum dsc_dtype to;
    struct dsc_dtype_report *r;
};

static bool is_changed(const struct change *c, enum dsc_dtype d)
{
    return d != c->to && (d == DSC_F32 || d == DSC_F16 || d == DSC_BF16);
}

/* One number is a constant of a formula; so is what an operator's mask holds. */
static double in_range(const struct change *c, double v, bool is_number, bool *is_moved)
{
    if (c->to != DSC_F16 || isnan(v))
        return v;
    *is_moved |= fabs(v) > F16_MAX || (is_number && v != 0 && fabs(v) < F16_TINY);
    if (fabs(v) > F16_MAX)
        return copysign(F16_MAX, v);
    return is_number && v != 0 && fabs(v) < F16_TINY ? copysign(F16_TINY, v) : v;
}

static enum dsc_status converted(struct change *c, const struct dsc_tensor *from,
                                 struct dsc_tensor *to, struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(from);
    bool is_moved = false;

    DSC_TRY(dsc_tensor_new(to, c->to, from->rank, from->dim, err));
    for (int64_t i = 0; i < n; i++)
        dsc_tensor_set_f64(to, i, in_range(c, dsc_tensor_get_f64(from, i), n == 1, &is_moved));
    c->r->n_converted++;
    c->r->n_moved += is_moved;
    return DSC_OK;
}

static enum dsc_status change_inits(struct change *c, struct dsc_err *err)
{
    for (int i = 0; i < c->g->n_values; i++) {
        struct dsc_value *v = &c->g->values[i];
        struct dsc_tensor t;

        if (!dsc_tensor_is_present(&v->init) || !is_changed(c, v->init.dtype))
            continue;
        if (v->is_input || v->is_output)
            return dsc_fail(err, DSC_E_UNSUPPORTED, "'%s' is a constant and an %s of the graph",
                            v->name, v->is_input ? "input" : "output");
        DSC_TRY(converted(c, &v->init, &t, err));
        DSC_TRY(dsc_graph_set_init(c->g, i, &t, err));
        dsc_tensor_clear(&t);
    }
    return DSC_OK;
}

static enum dsc_status change_attrs(struct change *c, struct dsc_node *n, struct dsc_err *err)
{
    if (dsc_node_is(n, "", "Cast") && is_changed(c, dsc_dtype_from_onnx(dsc_node_int(n, "to", 0))))
        return dsc_node_set_int(c->g, n, "to", dsc_dtype_onnx(c->to), err);
    for (int i = 0; i < n->n_attrs; i++) {
        struct dsc_attr *a = &n->attrs[i];
        struct dsc_tensor t;

        if (a->kind != DSC_ATTR_TENSOR || !is_changed(c, a->tensor.dtype))
            continue;
        DSC_TRY(converted(c, &a->tensor, &t, err));
        dsc_tensor_clear(&a->tensor);
        a->tensor = t;
    }
    return DSC_OK;
}

/* What is computed has no known type until it is inferred again. */
static void forget_types(struct change *c)
{
    for (int i = 0; i < c->g->n_values; i++) {
        struct dsc_value *v = &c->g->values[i];

        if (!dsc_tensor_is_present(&v->init) && is_changed(c, v->type.dtype))
            v->type.dtype = v->is_input ? DSC_F32 : DSC_DTYPE_NONE;
    }
}

static enum dsc_status cast_of(struct change *c, int value, enum dsc_dtype to, const char *name,
                               int *y, struct dsc_err *err)
{
    struct dsc_node *n;

    DSC_TRY(dsc_add_node(c->g, "", "Cast", name, 1, &value, y, &n, err));
    return dsc_node_set_int(c->g, n, "to", dsc_dtype_onnx(to), err);
}

static enum dsc_status cast_input(struct change *c, int value, struct dsc_err *err)
{
    const int n_nodes = c->g->n_nodes;
    char name[300];
    int y;

    snprintf(name, sizeof name, "%.280s/cast", c->g->values[value].name);
    DSC_TRY(cast_of(c, value, c->to, name, &y, err));
    for (int i = 0; i < n_nodes; i++)
        for (int k = 0; k < c->g->nodes[i]->n_in; k++)
            if (c->g->nodes[i]->in[k] == value)
                dsc_set_in(c->g->nodes[i], k, y);
    return DSC_OK;
}

/* The node that made the output makes a value of another name; a Cast makes the output. */
static enum dsc_status cast_output(struct change *c, int value, struct dsc_err *err)
{
    struct dsc_node *maker = dsc_producer(c->g, value), *n;
    const int n_nodes = c->g->n_nodes;
    char name[300];
    int inner;

    if (!maker)
        return DSC_OK; /* an input, handed out as it came */
    snprintf(name, sizeof name, "%.280s/cast", c->g->values[value].name);
    for (int i = 2; dsc_graph_find_value(c->g, name) >= 0; i++)
        snprintf(name, sizeof name, "%.280s/cast_%d", c->g->values[value].name, i);
    DSC_TRY(dsc_graph_value(c->g, name, NULL, &inner, err));
    for (int i = 0; i < n_nodes; i++)
        for (int k = 0; k < c->g->nodes[i]->n_in; k++)
            if (c->g->nodes[i]->in[k] == value)
                dsc_set_in(c->g->nodes[i], k, inner);
    for (int k = 0; k < maker->n_out; k++)
        if (maker->out[k] == value)
            maker->out[k] = inner;
    DSC_TRY(dsc_graph_node(c->g, dsc_op_find("", "Cast"), NULL, 1, &inner, 1, &value, &n, err));
    return dsc_node_set_int(c->g, n, "to", dsc_dtype_onnx(DSC_F32), err);
}

/* Operators whose float inputs are f32 or f64 in every opset we write. */
static bool takes_no_half(const struct dsc_node *n)
{
    return dsc_node_is(n, "", "Range") || dsc_node_is(n, "", "CumSum") ||
           dsc_node_is(n, "", "IsInf");
}

/* was: types of the values before the change. */
static enum dsc_status keep_f32(struct change *c, struct dsc_node *n, const enum dsc_dtype *was,
                                int n_was, struct dsc_err *err)
{
    char name[300];
    int y;

    for (int k = 0; k < n->n_in; k++) {
        if (n->in[k] == DSC_NO_VALUE || n->in[k] >= n_was || was[n->in[k]] != DSC_F32)
            continue;
        snprintf(name, sizeof name, "%.270s/wide%d", n->name, k);
        DSC_TRY(cast_of(c, n->in[k], DSC_F32, name, &y, err));
        dsc_set_in(n, k, y);
    }
    if (n->out[0] >= 0 && n->out[0] < n_was && was[n->out[0]] == DSC_F32) {
        struct dsc_node *narrow;

        const int value = n->out[0];

        DSC_TRY(dsc_graph_value(c->g, NULL, NULL, &y, err));
        n->out[0] = y;
        DSC_TRY(
            dsc_graph_node(c->g, dsc_op_find("", "Cast"), NULL, 1, &y, 1, &value, &narrow, err));
        DSC_TRY(dsc_node_set_int(c->g, narrow, "to", dsc_dtype_onnx(c->to), err));
    }
    return DSC_OK;
}

static enum dsc_status change_nodes(struct change *c, const enum dsc_dtype *was, int n_was,
                                    struct dsc_err *err)
{
    const int n_nodes = c->g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = c->g->nodes[i];

        if (dsc_op_domain(n->op)[0])
            return dsc_fail(err, DSC_E_UNSUPPORTED, "node '%s' (%s.%s) has one float type", n->name,
                            dsc_op_domain(n->op), n->op->onnx);
        DSC_TRY(change_attrs(c, n, err));
        if (c->to == DSC_F16 && takes_no_half(n))
            DSC_TRY(keep_f32(c, n, was, n_was, err));
    }
    return DSC_OK;
}

/* Casts of older types that have become casts from a type to itself. */
static enum dsc_status drop_casts(struct change *c, struct dsc_err *err)
{
    for (int i = 0; i < c->g->n_nodes; i++) {
        struct dsc_node *n = c->g->nodes[i];

        if (!dsc_node_is(n, "", "Cast") || c->g->values[n->out[0]].is_output ||
            c->g->values[n->in[0]].type.dtype != c->g->values[n->out[0]].type.dtype)
            continue;
        dsc_graph_replace_uses(c->g, n->out[0], n->in[0]);
        dsc_graph_remove_node(n);
    }
    return dsc_graph_sort(c->g, true, err);
}

static enum dsc_status change_all(struct change *c, struct dsc_err *err)
{
    struct dsc_graph *g = c->g;
    const int n_was = g->n_values, n_outputs = g->n_outputs;
    enum dsc_dtype *was;

    DSC_NEW(was, &g->arena, n_was, err);
    for (int i = 0; i < n_was; i++)
        was[i] = g->values[i].type.dtype;
    DSC_TRY(change_inits(c, err));
    DSC_TRY(change_nodes(c, was, n_was, err));
    DSC_TRY(dsc_graph_sort(g, false, err)); /* an output may have another maker now */
    for (int i = 0; i < g->n_inputs && c->to != DSC_F32; i++)
        if (was[g->inputs[i]] == DSC_F32)
            DSC_TRY(cast_input(c, g->inputs[i], err));
    for (int i = 0; i < n_outputs && c->to != DSC_F32; i++)
        if (was[g->outputs[i]] == DSC_F32)
            DSC_TRY(cast_output(c, g->outputs[i], err));
    forget_types(c);
    for (int i = 0; i < n_outputs; i++)
        if (dsc_dtype_is_float(was[g->outputs[i]]) && was[g->outputs[i]] != DSC_F64)
            g->values[g->outputs[i]].type.dtype = DSC_F32;
    DSC_TRY(dsc_graph_verify(g, err));
    DSC_TRY(drop_casts(c, err));
    return dsc_graph_verify(g, err);
}

/* bf16 as storage: [.., n > 1] constants, each behind one Cast. */
static enum dsc_status store_narrow(struct change *c, struct dsc_err *err)
{
    const int n_values = c->g->n_values;

    for (int i = 0; i < n_values; i++) {
        struct dsc_value *v = &c->g->values[i];
        struct dsc_tensor t;
        char name[300];
        int id, y;
        enum dsc_status st;

        if (!dsc_constant(c->g, i) || v->is_output || v->init.dtype != DSC_F32 ||
            v->init.rank < 1 || dsc_tensor_n_elems(&v->init) < 2 || v->n_uses == 0)
            continue;
        DSC_TRY(converted(c, &v->init, &t, err));
        snprintf(name, sizeof name, "%.280s.bf16", v->name);
        st = dsc_add_init(c->g, name, &t, &id, err);
        dsc_tensor_clear(&t);
        DSC_TRY(st);
        snprintf(name, sizeof name, "%.280s/cast", c->g->values[i].name);
        DSC_TRY(cast_of(c, id, DSC_F32, name, &y, err));
        dsc_graph_replace_uses(c->g, i, y);
    }
    DSC_TRY(dsc_graph_sort(c->g, true, err));
    return dsc_graph_verify(c->g, err);
}

enum dsc_status dsc_pass_to_dtype(struct dsc_graph *g, enum dsc_dtype to,
                                  struct dsc_dtype_report *report, struct dsc_err *err)
{
    struct change wide = {g, DSC_F32, report}, c = {g, to, report};

    *report = (struct dsc_dtype_report){0};
    if (to != DSC_F32 && to != DSC_F16 && to != DSC_BF16)
        return dsc_fail(err, DSC_E_USAGE, "a graph cannot be %s", dsc_dtype_text(to));
    if (dsc_quant_is_quantized(g))
        return dsc_fail(err, DSC_E_UNSUPPORTED, "the model is quantized: its scales stay f32");
    DSC_TRY(change_all(&wide, err)); /* inputs and outputs of f16, where a file has them */
    if (to == DSC_F32)
        return DSC_OK;
    *report = (struct dsc_dtype_report){0};
    return to == DSC_F16 ? change_all(&c, err) : store_narrow(&c, err);
}

enum dsc_status dsc_pass_round_weights(struct dsc_graph *g, enum dsc_dtype to, struct dsc_err *err)
{
    for (int i = 0; i < g->n_values && to != DSC_F32; i++) {
        const struct dsc_tensor *w = dsc_constant(g, i);
        const int64_t n = w ? dsc_tensor_n_elems(w) : 0;
        struct dsc_tensor t;
        enum dsc_status st = DSC_OK;

        if (!w || w->dtype != DSC_F32 || w->rank < 1)
            continue;
        DSC_TRY(dsc_tensor_new(&t, DSC_F32, w->rank, w->dim, err));
        for (int64_t k = 0; k < n && st == DSC_OK; k++) {
            const float v = (float)dsc_tensor_get_f64(w, k);
            const float y = to == DSC_F16 ? dsc_half_to_float(dsc_float_to_half(v))
                                          : dsc_bf16_to_float(dsc_float_to_bf16(v));

            if (isfinite(v) && !isfinite(y))
                st = dsc_fail(err, DSC_E_RANGE, "'%s' has %g, more than %s holds",
                              g->values[i].name, (double)v, dsc_dtype_text(to));
            dsc_tensor_set_f64(&t, k, (double)y);
        }
        if (st == DSC_OK)
            st = dsc_graph_set_init(g, i, &t, err);
        dsc_tensor_clear(&t);
        DSC_TRY(st);
    }
    return DSC_OK;
}
