/* The messages of an ONNX file, from a verified graph whose operators all are ONNX's. */
#include "model/onnx_write.h"

#include "dsc/op.h"
#include "model/onnx_in.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct prop_out {
    const char *key, *value;
};

struct value_out {
    const struct dsc_graph *g;
    const struct dsc_value *v;
};

struct dim_out {
    const struct dsc_graph *g;
    int64_t dim;
};

struct node_out {
    const struct dsc_graph *g;
    const struct dsc_node *n;
};

static void emit_prop(struct wire_out *w, const void *ctx)
{
    const struct prop_out *p = ctx;

    wire_put_text(w, PROP_KEY, p->key);
    wire_put_text(w, PROP_VALUE, p->value);
}

static void emit_opset(struct wire_out *w, const void *ctx)
{
    const struct dsc_opset *o = ctx;

    wire_put_text(w, OPSET_DOMAIN, o->domain);
    wire_put_int(w, OPSET_VERSION, o->version);
}

static void put_number_prop(struct wire_out *w, uint32_t number, const char *key, uint64_t v)
{
    char text[32];

    snprintf(text, sizeof text, "%" PRIu64, v);
    wire_put_message(w, number, emit_prop, &(struct prop_out){key, text});
}

static uint64_t field_bytes(size_t n)
{
    return 1 + wire_int_bytes(n);
}

/* Bytes of the element type's number with which the data stand at a multiple of 8. */
static size_t dtype_bytes(const struct wire_out *w, const struct onnx_tensor_out *o)
{
    const size_t n_name = strlen(o->name);
    const uint64_t place = w->n_bytes + 2 + (n_name ? field_bytes(n_name) + n_name : 0) +
                           field_bytes(dsc_tensor_n_bytes(o->tensor));

    return o->is_placed ? 1 + (size_t)(-place % ONNX_PLACE_BYTES) : 1;
}

void onnx_emit_tensor(struct wire_out *w, const void *ctx)
{
    const struct onnx_tensor_out *o = ctx;
    const struct dsc_tensor *t = o->tensor;

    for (int i = 0; i < t->rank; i++)
        wire_put_int(w, TENSOR_DIMS, t->dim[i]);
    wire_put_wide_int(w, TENSOR_DTYPE, dsc_dtype_onnx(t->dtype), dtype_bytes(w, o));
    if (o->name[0])
        wire_put_text(w, TENSOR_NAME, o->name);
    if (!o->location) {
        wire_put_bytes(w, TENSOR_RAW, t->data, dsc_tensor_n_bytes(t));
        return;
    }
    wire_put_message(w, TENSOR_EXTERNAL, emit_prop, &(struct prop_out){"location", o->location});
    put_number_prop(w, TENSOR_EXTERNAL, "offset", o->offset);
    put_number_prop(w, TENSOR_EXTERNAL, "length", dsc_tensor_n_bytes(t));
    wire_put_int(w, TENSOR_LOCATION, 1);
}

static void emit_dim(struct wire_out *w, const void *ctx)
{
    const struct dim_out *d = ctx;

    if (d->dim >= 0)
        wire_put_int(w, DIM_VALUE, d->dim);
    else if (dsc_dim_is_symbol(d->dim))
        wire_put_text(w, DIM_PARAM, d->g->symbols[dsc_dim_symbol_idx(d->dim)]);
}

static void emit_shape(struct wire_out *w, const void *ctx)
{
    const struct value_out *o = ctx;

    for (int i = 0; i < o->v->type.rank; i++)
        wire_put_message(w, SHAPE_DIM, emit_dim, &(struct dim_out){o->g, o->v->type.dim[i]});
}

static void emit_tensor_type(struct wire_out *w, const void *ctx)
{
    const struct value_out *o = ctx;

    wire_put_int(w, TENSOR_TYPE_ELEM, dsc_dtype_onnx(o->v->type.dtype));
    if (o->v->type.rank >= 0)
        wire_put_message(w, TENSOR_TYPE_SHAPE, emit_shape, ctx);
}

static void emit_type(struct wire_out *w, const void *ctx)
{
    wire_put_message(w, TYPE_TENSOR, emit_tensor_type, ctx);
}

static void emit_value(struct wire_out *w, const void *ctx)
{
    const struct value_out *o = ctx;

    wire_put_text(w, VALUE_NAME, o->v->name);
    if (o->v->type.dtype != DSC_DTYPE_NONE)
        wire_put_message(w, VALUE_TYPE, emit_type, ctx);
}

static void emit_graph(struct wire_out *w, const void *ctx);

static void emit_attr(struct wire_out *w, const void *ctx)
{
    static const int type_of_kind[] = {
        [DSC_ATTR_FLOAT] = ONNX_ATTR_FLOAT,   [DSC_ATTR_INT] = ONNX_ATTR_INT,
        [DSC_ATTR_STRING] = ONNX_ATTR_STRING, [DSC_ATTR_TENSOR] = ONNX_ATTR_TENSOR,
        [DSC_ATTR_GRAPH] = ONNX_ATTR_GRAPH,   [DSC_ATTR_FLOATS] = ONNX_ATTR_FLOATS,
        [DSC_ATTR_INTS] = ONNX_ATTR_INTS,     [DSC_ATTR_STRINGS] = ONNX_ATTR_STRINGS};
    const struct dsc_attr *a = ctx;

    wire_put_text(w, ATTR_NAME, a->name);
    switch (a->kind) {
    case DSC_ATTR_FLOAT:
        wire_put_float(w, ATTR_F, a->f);
        break;
    case DSC_ATTR_INT:
        wire_put_int(w, ATTR_I, a->i);
        break;
    case DSC_ATTR_STRING:
        wire_put_bytes(w, ATTR_S, a->s, (size_t)a->n);
        break;
    case DSC_ATTR_TENSOR:
        wire_put_message(w, ATTR_T, onnx_emit_tensor,
                         &(struct onnx_tensor_out){.tensor = &a->tensor, .name = ""});
        break;
    case DSC_ATTR_GRAPH:
        wire_put_message(w, ATTR_G, emit_graph, &(struct onnx_model_out){.g = a->graph});
        break;
    case DSC_ATTR_FLOATS:
        for (int i = 0; i < a->n; i++)
            wire_put_float(w, ATTR_FLOATS, a->floats[i]);
        break;
    case DSC_ATTR_INTS:
        for (int i = 0; i < a->n; i++)
            wire_put_int(w, ATTR_INTS, a->ints[i]);
        break;
    case DSC_ATTR_STRINGS:
        for (int i = 0; i < a->n; i++)
            wire_put_text(w, ATTR_STRINGS, a->strings[i]);
        break;
    }
    wire_put_int(w, ATTR_TYPE, type_of_kind[a->kind]);
}

/* Value names of inputs or outputs; trailing ones that are left out are not written. */
static void put_names(struct wire_out *w, uint32_t number, const struct dsc_graph *g, int n,
                      const int *ids)
{
    while (n > 0 && ids[n - 1] == DSC_NO_VALUE)
        n--;
    for (int i = 0; i < n; i++)
        wire_put_text(w, number, ids[i] == DSC_NO_VALUE ? "" : g->values[ids[i]].name);
}

static void emit_node(struct wire_out *w, const void *ctx)
{
    const struct node_out *o = ctx;
    const struct dsc_node *n = o->n;

    put_names(w, NODE_INPUT, o->g, n->n_in, n->in);
    put_names(w, NODE_OUTPUT, o->g, n->n_out, n->out);
    wire_put_text(w, NODE_NAME, n->name);
    wire_put_text(w, NODE_OP, n->op->onnx);
    for (int i = 0; i < n->n_attrs; i++)
        wire_put_message(w, NODE_ATTR, emit_attr, &n->attrs[i]);
    if (dsc_op_domain(n->op)[0])
        wire_put_text(w, NODE_DOMAIN, dsc_op_domain(n->op));
}

bool onnx_has_subgraphs(const struct dsc_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_attrs; k++)
            if (g->nodes[i]->attrs[k].kind == DSC_ATTR_GRAPH)
                return true;
    return false;
}

bool onnx_is_written_init(const struct dsc_graph *g, int value)
{
    const struct dsc_value *v = &g->values[value];

    return dsc_tensor_is_present(&v->init) &&
           (v->n_uses > 0 || v->is_input || v->is_output || onnx_has_subgraphs(g));
}

static bool is_placed(const struct onnx_model_out *m, int value)
{
    return m->has_placed && onnx_is_written_init(m->g, value) &&
           !(m->sparse && m->sparse[value].is_used) &&
           !(m->ext_offsets && m->ext_offsets[value] != UINT64_MAX) &&
           dsc_tensor_n_bytes(&m->g->values[value].init) >= ONNX_PLACED_MIN_BYTES;
}

static void emit_graph(struct wire_out *w, const void *ctx)
{
    const struct onnx_model_out *m = ctx;
    const struct dsc_graph *g = m->g;

    for (int i = 0; i < g->n_nodes; i++)
        wire_put_message(w, GRAPH_NODE, emit_node, &(struct node_out){g, g->nodes[i]});
    wire_put_text(w, GRAPH_NAME, g->name);
    for (int i = 0; i < g->n_values; i++) {
        struct onnx_tensor_out t = {.tensor = &g->values[i].init, .name = g->values[i].name};

        if (!onnx_is_written_init(g, i) || (m->sparse && m->sparse[i].is_used))
            continue;
        if (m->ext_offsets && m->ext_offsets[i] != UINT64_MAX) {
            t.location = m->ext_name;
            t.offset = m->ext_offsets[i];
        }
        t.is_placed = is_placed(m, i);
        if (t.is_placed)
            wire_put_placed_message(w, GRAPH_INIT, onnx_emit_tensor, &t);
        else
            wire_put_message(w, GRAPH_INIT, onnx_emit_tensor, &t);
    }
    for (int i = 0; m->sparse && i < g->n_values; i++)
        if (m->sparse[i].is_used)
            wire_put_message(w, GRAPH_SPARSE_INIT, onnx_emit_sparse, &m->sparse[i]);
    for (int i = 0; i < g->n_inputs; i++)
        wire_put_message(w, GRAPH_INPUT, emit_value,
                         &(struct value_out){g, &g->values[g->inputs[i]]});
    for (int i = 0; i < g->n_outputs; i++)
        wire_put_message(w, GRAPH_OUTPUT, emit_value,
                         &(struct value_out){g, &g->values[g->outputs[i]]});
    for (int i = 0; i < g->n_values; i++) {
        const struct dsc_value *v = &g->values[i];

        if (v->producer >= 0 && !v->is_output && v->type.dtype != DSC_DTYPE_NONE &&
            v->type.rank >= 0)
            wire_put_message(w, GRAPH_VALUE, emit_value, &(struct value_out){g, v});
    }
}

static bool has_placed(const struct onnx_model_out *m)
{
    for (int i = 0; i < m->g->n_values; i++)
        if (is_placed(m, i))
            return true;
    return false;
}

void onnx_emit_model(struct wire_out *w, const void *ctx)
{
    const struct onnx_model_out *m = ctx;
    const struct dsc_graph *g = m->g;
    struct onnx_model_out placed = *m;

    placed.has_placed = true;
    placed.has_placed = has_placed(&placed);
    wire_put_int(w, MODEL_IR_VERSION, g->ir_version);
    wire_put_text(w, MODEL_PRODUCER_NAME, g->producer_name);
    wire_put_text(w, MODEL_PRODUCER_VERSION, g->producer_version);
    if (g->domain[0])
        wire_put_text(w, MODEL_DOMAIN, g->domain);
    if (g->model_version)
        wire_put_int(w, MODEL_VERSION, g->model_version);
    if (g->doc[0])
        wire_put_text(w, MODEL_DOC, g->doc);
    if (placed.has_placed)
        wire_put_placed_message(w, MODEL_GRAPH, emit_graph, &placed);
    else
        wire_put_message(w, MODEL_GRAPH, emit_graph, m);
    for (int i = 0; i < g->n_opsets; i++)
        wire_put_message(w, MODEL_OPSET, emit_opset, &g->opsets[i]);
    for (int i = 0; i < g->n_props; i++)
        wire_put_message(w, MODEL_PROPS, emit_prop,
                         &(struct prop_out){g->props[i].key, g->props[i].value});
}
