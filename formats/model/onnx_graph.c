/* GraphProto: initializers, inputs, nodes in our operators' newest form, outputs, types. */
#include "dsc/op.h"
#include "model/onnx_in.h"

#include <string.h>

enum dsc_status onnx_read_texts(struct onnx_in *in, struct dsc_rd msg, uint32_t number, int *n,
                                char ***texts)
{
    struct dsc_rd r = msg;
    struct wire_field f;
    int i = 0;

    for (*n = 0; wire_next(&r, &f);)
        *n += f.number == number;
    DSC_TRY(dsc_rd_status(&r));
    if (*n > ONNX_MAX_ARITY)
        return dsc_rd_fail(&msg, DSC_E_LIMIT, "%d names, limit %d", *n, ONNX_MAX_ARITY);
    DSC_NEW(*texts, &in->tmp, *n, in->err);
    while (wire_next(&msg, &f)) {
        if (f.number != number)
            continue;
        (*texts)[i] = wire_text(&msg, &f, &in->tmp);
        if (!(*texts)[i++])
            return in->err->status;
    }
    return dsc_rd_status(&msg);
}

/* A TensorShapeProto; false when its rank is more than a type can hold. */
static bool read_shape(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd r,
                       struct dsc_type *type)
{
    struct wire_field f, d;

    type->rank = 0;
    while (wire_next(&r, &f)) {
        int64_t dim = DSC_DIM_UNKNOWN;
        struct dsc_rd part;

        if (f.number != SHAPE_DIM)
            continue;
        if (type->rank == DSC_MAX_RANK)
            return false;
        part = wire_bytes(&r, &f);
        while (wire_next(&part, &d)) {
            if (d.number == DIM_VALUE) {
                dim = wire_int(&part, &d);
                dim = dim < 0 ? DSC_DIM_UNKNOWN : dim;
            } else if (d.number == DIM_PARAM) {
                const char *name = wire_text(&part, &d, &in->tmp);

                if (name && name[0])
                    dsc_graph_symbol(g, name, &dim, in->err);
            }
        }
        type->dim[type->rank++] = dim;
    }
    return true;
}

/* A TypeProto. `what` NULL: a type that we do not have is left unknown. */
static enum dsc_status read_type(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd r,
                                 const char *what, const char *name, struct dsc_type *type)
{
    struct wire_field f, t;
    int64_t code = 0;

    while (wire_next(&r, &f)) {
        struct dsc_rd part;

        if (f.number != TYPE_TENSOR) {
            if (f.number != TYPE_DENOTATION && what)
                DSC_TRY(onnx_note_missing(in, "%s '%s', which is no tensor", what, name));
            continue;
        }
        part = wire_bytes(&r, &f);
        while (wire_next(&part, &t)) {
            if (t.number == TENSOR_TYPE_ELEM) {
                code = wire_int(&part, &t);
            } else if (t.number == TENSOR_TYPE_SHAPE &&
                       !read_shape(in, g, wire_bytes(&part, &t), type)) {
                if (what)
                    DSC_TRY(
                        onnx_note_missing(in, "%s '%s' of over %d axes", what, name, DSC_MAX_RANK));
                type->rank = DSC_RANK_UNKNOWN;
            }
        }
    }
    type->dtype = dsc_dtype_from_onnx(code);
    if (what && code != 0 && type->dtype == DSC_DTYPE_NONE)
        return onnx_note_missing(in, "%s '%s' of element type %s", what, name,
                                 onnx_type_text(code));
    return dsc_rd_status(&r);
}

static enum dsc_status read_value_info(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                       const char *what, const struct onnx_scope *scope,
                                       const char **name, struct dsc_type *type)
{
    struct dsc_rd r = msg;
    struct wire_field f;

    *name = "";
    dsc_type_unknown(type);
    while (wire_next(&r, &f))
        if (f.number == VALUE_NAME)
            *name = wire_text(&r, &f, &in->tmp);
    DSC_TRY(dsc_rd_status(&r));
    if (!(*name)[0] && what)
        return dsc_rd_fail(&msg, DSC_E_SCHEMA, "%s without a name", what);
    *name = onnx_map_name(in, scope, *name);
    if (!*name)
        return in->err->status;
    r = msg;
    while (wire_next(&r, &f))
        if (f.number == VALUE_TYPE)
            DSC_TRY(read_type(in, g, wire_bytes(&r, &f), what, *name, type));
    return dsc_rd_status(&r);
}

typedef enum dsc_status read_tensor_fn(struct onnx_in *in, struct dsc_rd msg, char **name,
                                       struct dsc_tensor *t);

static enum dsc_status add_init(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                const struct onnx_scope *scope, read_tensor_fn *read)
{
    struct dsc_tensor t;
    enum dsc_status st = DSC_OK;
    char *name;
    int id;

    DSC_TRY(read(in, msg, &name, &t));
    if (!name[0])
        st = dsc_rd_fail(&msg, DSC_E_SCHEMA, "an initializer without a name");
    else if (dsc_tensor_is_present(&t)) {
        const char *mapped = onnx_map_name(in, scope, name);

        st = mapped ? dsc_graph_init(g, mapped, &t, &id, in->err) : in->err->status;
    }
    dsc_tensor_clear(&t);
    return st;
}

static enum dsc_status read_dense(struct onnx_in *in, struct dsc_rd msg, char **name,
                                  struct dsc_tensor *t)
{
    return onnx_read_tensor(in, msg, "initializer", name, t);
}

static enum dsc_status read_init(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                 const struct onnx_scope *scope)
{
    return add_init(in, g, msg, scope, read_dense);
}

static enum dsc_status read_sparse_init(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                        const struct onnx_scope *scope)
{
    return add_init(in, g, msg, scope, onnx_read_sparse);
}

/* Before IR 4 every initializer had to be an input too: those are constants, not inputs. */
static enum dsc_status read_input(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                  const struct onnx_scope *scope)
{
    struct dsc_type type;
    const char *name;
    bool is_init;
    int id;

    DSC_TRY(read_value_info(in, g, msg, "input", scope, &name, &type));
    DSC_TRY(dsc_graph_value_named(g, name, &id, in->err));
    is_init = dsc_tensor_is_present(&g->values[id].init);
    if (is_init && type.dtype != DSC_DTYPE_NONE && type.dtype != g->values[id].type.dtype)
        return dsc_fail(in->err, DSC_E_TYPE, "input '%s' is declared %s, its initializer is %s",
                        name, dsc_dtype_text(type.dtype), dsc_dtype_text(g->values[id].type.dtype));
    if (!is_init)
        g->values[id].type = type;
    if (is_init && in->ir_version < 4)
        return DSC_OK;
    return dsc_graph_input(g, id, in->err);
}

static enum dsc_status read_output(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                   const struct onnx_scope *scope)
{
    struct dsc_type type;
    const char *name;
    int id;

    DSC_TRY(read_value_info(in, g, msg, "output", scope, &name, &type));
    DSC_TRY(dsc_graph_value_named(g, name, &id, in->err));
    if (g->values[id].is_output)
        return dsc_rd_fail(&msg, DSC_E_DUP, "the output '%s' stands twice", name);
    if (!dsc_tensor_is_present(&g->values[id].init) && !g->values[id].is_input)
        g->values[id].type = type;
    return dsc_graph_output(g, id, in->err);
}

static enum dsc_status read_inner_type(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                       const struct onnx_scope *scope)
{
    struct dsc_type type;
    const char *name;
    int id;

    DSC_TRY(read_value_info(in, g, msg, NULL, scope, &name, &type));
    id = dsc_graph_find_value(g, name);
    if (id >= 0 && !dsc_tensor_is_present(&g->values[id].init) && !g->values[id].is_input &&
        !g->values[id].is_output)
        g->values[id].type = type;
    return DSC_OK;
}

typedef enum dsc_status part_fn(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                const struct onnx_scope *scope);

static enum dsc_status each_part(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                 uint32_t number, const struct onnx_scope *scope, part_fn *fn)
{
    struct wire_field f;

    while (wire_next(&msg, &f))
        if (f.number == number)
            DSC_TRY(fn(in, g, wire_bytes(&msg, &f), scope));
    return dsc_rd_status(&msg);
}

/* Older forms have other arities, but the first input and output of an operator that has any. */
static enum dsc_status check_first(struct onnx_in *in, const struct dsc_node *n)
{
    if ((n->op->n_in > 0 && !dsc_node_has_in(n, 0)) ||
        (n->op->n_out > 0 && (n->n_out == 0 || n->out[0] == DSC_NO_VALUE)))
        return dsc_fail(in->err, DSC_E_INCONSISTENT, "node '%s' (%s) lacks its first %s", n->name,
                        n->op->onnx, dsc_node_has_in(n, 0) ? "output" : "input");
    return DSC_OK;
}

/* Bring the nodes that were read to the newest form; what an upgrade adds has it already. */
static enum dsc_status upgrade_nodes(struct onnx_in *in, struct onnx_build *b)
{
    const int n = b->g->n_nodes;

    for (int i = 0; i < n; i++) {
        struct dsc_node *node = b->g->nodes[i];
        const char *op = node->op ? node->op->onnx : "";

        if (!node->op || !node->op->upgrade)
            continue;
        DSC_TRY(check_first(in, node));
        if (node->op->upgrade(b->g, node, b->opsets[i], in->err) != DSC_OK)
            return dsc_err_where(in->err, "node '%s' (%s, opset %lld)", node->name, op,
                                 (long long)b->opsets[i]);
    }
    return DSC_OK;
}

enum dsc_status onnx_read_graph(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                const struct onnx_scope *scope, int depth)
{
    struct onnx_build b = {.g = g, .depth = depth};
    struct dsc_rd r = msg;
    struct wire_field f;

    if (depth > ONNX_MAX_DEPTH)
        return dsc_rd_fail(&msg, DSC_E_LIMIT, "graphs nest over %d deep", ONNX_MAX_DEPTH);
    while (wire_next(&r, &f))
        if (f.number == GRAPH_NAME)
            g->name = wire_text(&r, &f, &g->arena);
    DSC_TRY(dsc_rd_status(&r));
    DSC_TRY(each_part(in, g, msg, GRAPH_INIT, scope, read_init));
    DSC_TRY(each_part(in, g, msg, GRAPH_SPARSE_INIT, scope, read_sparse_init));
    DSC_TRY(each_part(in, g, msg, GRAPH_INPUT, scope, read_input));
    DSC_TRY(onnx_read_nodes(in, &b, msg, GRAPH_NODE, scope));
    DSC_TRY(each_part(in, g, msg, GRAPH_OUTPUT, scope, read_output));
    DSC_TRY(each_part(in, g, msg, GRAPH_VALUE, scope, read_inner_type));
    return in->missing ? DSC_OK : upgrade_nodes(in, &b);
}
