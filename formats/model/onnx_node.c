/* NodeProto and AttributeProto. */
#include "dsc/op.h"
#include "model/onnx_in.h"

#include <limits.h>
#include <string.h>

/* An attribute, followed to where its value stands. */
struct attr {
    char *name;
    int64_t type;
    struct dsc_rd msg;
    const struct onnx_scope *scope; /* of the names in a graph attribute */
    bool is_given;                  /* false: a reference that the call leaves to the default */
};

/* Files older than IR 2 have no type: the field that is there decides. */
static int64_t guess_type(uint32_t field)
{
    switch (field) {
    case ATTR_F:
        return ONNX_ATTR_FLOAT;
    case ATTR_I:
        return ONNX_ATTR_INT;
    case ATTR_S:
        return ONNX_ATTR_STRING;
    case ATTR_T:
        return ONNX_ATTR_TENSOR;
    case ATTR_G:
        return ONNX_ATTR_GRAPH;
    case ATTR_FLOATS:
        return ONNX_ATTR_FLOATS;
    case ATTR_INTS:
        return ONNX_ATTR_INTS;
    case ATTR_STRINGS:
        return ONNX_ATTR_STRINGS;
    default:
        return 0;
    }
}

static enum dsc_status read_attr(struct onnx_in *in, struct dsc_rd msg,
                                 const struct onnx_scope *scope, struct attr *a)
{
    struct dsc_rd r = msg;
    struct wire_field f;
    const char *ref = "";
    int64_t guess = 0;

    *a = (struct attr){.msg = msg, .scope = scope, .is_given = true};
    while (wire_next(&r, &f)) {
        if (f.number == ATTR_NAME)
            a->name = wire_text(&r, &f, &in->tmp);
        else if (f.number == ATTR_TYPE)
            a->type = wire_int(&r, &f);
        else if (f.number == ATTR_REF)
            ref = wire_text(&r, &f, &in->tmp);
        else if (guess == 0)
            guess = guess_type(f.number);
    }
    DSC_TRY(dsc_rd_status(&r));
    if (!a->name || !a->name[0])
        return dsc_rd_fail(&msg, DSC_E_SCHEMA, "an attribute without a name");
    a->type = a->type ? a->type : guess;
    if (ref[0]) {
        const struct onnx_arg *given = onnx_find_arg(scope, ref);
        char *name = a->name;

        a->is_given = given != NULL;
        if (!given)
            return DSC_OK;
        DSC_TRY(read_attr(in, given->attr, given->scope, a)); /* arguments hold no references */
        a->name = name;
    }
    return DSC_OK;
}

static enum dsc_status read_node_fields(struct onnx_in *in, struct dsc_rd msg, struct onnx_node *n)
{
    struct dsc_rd r = msg;
    struct wire_field f;

    *n = (struct onnx_node){.name = "", .op = "", .domain = "", .overload = "", .msg = msg};
    while (wire_next(&r, &f)) {
        if (f.number == NODE_NAME)
            n->name = wire_text(&r, &f, &in->tmp);
        else if (f.number == NODE_OP)
            n->op = wire_text(&r, &f, &in->tmp);
        else if (f.number == NODE_DOMAIN)
            n->domain = wire_text(&r, &f, &in->tmp);
        else if (f.number == NODE_OVERLOAD)
            n->overload = wire_text(&r, &f, &in->tmp);
        else if (f.number == NODE_ATTR)
            n->n_attrs++;
    }
    DSC_TRY(dsc_rd_status(&r));
    if (strcmp(n->domain, "ai.onnx") == 0)
        n->domain = "";
    if (!n->op[0])
        return dsc_rd_fail(&msg, DSC_E_SCHEMA, "node '%s' has no operator", n->name);
    DSC_TRY(onnx_read_texts(in, msg, NODE_INPUT, &n->n_in, &n->in));
    DSC_TRY(onnx_read_texts(in, msg, NODE_OUTPUT, &n->n_out, &n->out));
    while (n->n_in > 0 && !n->in[n->n_in - 1][0])
        n->n_in--;
    while (n->n_out > 0 && !n->out[n->n_out - 1][0])
        n->n_out--;
    return DSC_OK;
}

static enum dsc_status read_strings(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                    struct dsc_attr *slot)
{
    struct dsc_rd r = msg;
    struct wire_field f;
    int n = 0;

    while (wire_next(&r, &f))
        n += f.number == ATTR_STRINGS;
    DSC_NEW(slot->strings, &g->arena, n, in->err);
    while (wire_next(&msg, &f)) {
        if (f.number != ATTR_STRINGS)
            continue;
        slot->strings[slot->n] = wire_text(&msg, &f, &g->arena);
        if (!slot->strings[slot->n])
            return in->err->status;
        slot->n++;
    }
    return dsc_rd_status(&msg);
}

static enum dsc_status read_numbers(struct onnx_in *in, struct dsc_graph *g, struct dsc_rd msg,
                                    bool is_float, struct dsc_attr *slot)
{
    const uint32_t field = is_float ? ATTR_FLOATS : ATTR_INTS;
    const size_t elem_bytes = is_float ? 4 : 0, n = wire_repeated(msg, field, elem_bytes, NULL, 0);

    DSC_TRY(dsc_rd_status(&msg));
    if (n > INT_MAX)
        return dsc_rd_fail(&msg, DSC_E_LIMIT, "an attribute of %zu numbers", n);
    slot->n = (int)n;
    if (is_float)
        DSC_NEW(slot->floats, &g->arena, n, in->err);
    else
        DSC_NEW(slot->ints, &g->arena, n, in->err);
    wire_repeated(msg, field, elem_bytes, is_float ? (void *)slot->floats : (void *)slot->ints, n);
    return dsc_rd_status(&msg);
}

/* The single kinds: field by field, the last one counts. */
static enum dsc_status read_single(struct onnx_in *in, struct onnx_build *b, const struct attr *a,
                                   struct dsc_attr *slot)
{
    struct dsc_rd r = a->msg;
    struct wire_field f;

    while (wire_next(&r, &f)) {
        if (a->type == ONNX_ATTR_FLOAT && f.number == ATTR_F) {
            slot->f = wire_float(&r, &f);
        } else if (a->type == ONNX_ATTR_INT && f.number == ATTR_I) {
            slot->i = wire_int(&r, &f);
        } else if (a->type == ONNX_ATTR_STRING && f.number == ATTR_S) {
            const struct dsc_rd s = wire_bytes(&r, &f);

            if (s.n_bytes > INT_MAX)
                return dsc_rd_fail(&r, DSC_E_LIMIT, "an attribute of %zu bytes", s.n_bytes);
            slot->n = (int)s.n_bytes;
            slot->s = dsc_arena_strndup(&b->g->arena, s.data ? (const char *)s.data : "", s.n_bytes,
                                        in->err);
        } else if (a->type == ONNX_ATTR_TENSOR && f.number == ATTR_T) {
            dsc_tensor_clear(&slot->tensor);
            DSC_TRY(onnx_read_tensor(in, wire_bytes(&r, &f), "attribute", NULL, &slot->tensor));
        } else if (a->type == ONNX_ATTR_GRAPH && f.number == ATTR_G) {
            dsc_graph_free(slot->graph);
            slot->graph = dsc_graph_new(in->err);
            if (!slot->graph)
                return DSC_E_MEMORY;
            DSC_TRY(onnx_read_graph(in, slot->graph, wire_bytes(&r, &f), a->scope, b->depth + 1));
        }
    }
    return dsc_rd_status(&r);
}

static const enum dsc_attr_kind kind_of_type[] = {
    [ONNX_ATTR_FLOAT] = DSC_ATTR_FLOAT,   [ONNX_ATTR_INT] = DSC_ATTR_INT,
    [ONNX_ATTR_STRING] = DSC_ATTR_STRING, [ONNX_ATTR_TENSOR] = DSC_ATTR_TENSOR,
    [ONNX_ATTR_GRAPH] = DSC_ATTR_GRAPH,   [ONNX_ATTR_FLOATS] = DSC_ATTR_FLOATS,
    [ONNX_ATTR_INTS] = DSC_ATTR_INTS,     [ONNX_ATTR_STRINGS] = DSC_ATTR_STRINGS};

static enum dsc_status fill_attr(struct onnx_in *in, struct onnx_build *b, struct dsc_node *node,
                                 const struct attr *a)
{
    struct dsc_attr *slot;

    if (a->type < ONNX_ATTR_FLOAT || a->type > ONNX_ATTR_STRINGS)
        return onnx_note_missing(in, "attribute '%s' of kind %lld of operator %s", a->name,
                                 (long long)a->type, node->op->onnx);
    if (dsc_node_attr(node, a->name))
        return dsc_fail(in->err, DSC_E_DUP, "attribute '%s' of node '%s' stands twice", a->name,
                        node->name);
    DSC_TRY(dsc_node_attr_slot(b->g, node, a->name, &slot, in->err));
    slot->kind = kind_of_type[a->type];
    if (slot->kind == DSC_ATTR_FLOATS || slot->kind == DSC_ATTR_INTS)
        return read_numbers(in, b->g, a->msg, slot->kind == DSC_ATTR_FLOATS, slot);
    if (slot->kind == DSC_ATTR_STRINGS)
        return read_strings(in, b->g, a->msg, slot);
    if (slot->kind == DSC_ATTR_STRING)
        slot->s = ""; /* an empty string has no field on the wire */
    DSC_TRY(read_single(in, b, a, slot));
    if ((slot->kind == DSC_ATTR_TENSOR && !dsc_tensor_is_present(&slot->tensor) && !in->missing) ||
        (slot->kind == DSC_ATTR_GRAPH && !slot->graph))
        return dsc_fail(in->err, DSC_E_SCHEMA, "attribute '%s' of node '%s' has no value", a->name,
                        node->name);
    return DSC_OK;
}

/* A one-element or 1-D tensor of an attribute of Constant. */
static enum dsc_status constant_tensor(struct onnx_in *in, struct onnx_build *b,
                                       const struct attr *a, struct dsc_tensor *t)
{
    struct dsc_attr v = {0};
    const bool is_float = a->type == ONNX_ATTR_FLOAT || a->type == ONNX_ATTR_FLOATS;
    const bool is_plural = a->type == ONNX_ATTR_FLOATS || a->type == ONNX_ATTR_INTS;
    int64_t dim;

    if (a->type == ONNX_ATTR_TENSOR) {
        DSC_TRY(read_single(in, b, a, &v));
        *t = v.tensor;
        return DSC_OK;
    }
    if (a->type != ONNX_ATTR_INT && !is_float && !is_plural)
        return onnx_note_missing(in, "operator Constant with attribute '%s'", a->name);
    if (is_plural)
        DSC_TRY(read_numbers(in, b->g, a->msg, is_float, &v));
    else
        DSC_TRY(read_single(in, b, a, &v));
    dim = v.n;
    DSC_TRY(dsc_tensor_new(t, is_float ? DSC_F32 : DSC_I64, is_plural ? 1 : 0, &dim, in->err));
    if (is_plural && v.n)
        memcpy(t->data, is_float ? (const void *)v.floats : (const void *)v.ints,
               dsc_tensor_n_bytes(t));
    else if (is_float && !is_plural)
        *(float *)t->data = v.f;
    else if (!is_plural)
        *(int64_t *)t->data = v.i;
    return DSC_OK;
}

/* Constant nodes become initializers: one form of weights for every pass. */
static enum dsc_status read_constant(struct onnx_in *in, struct onnx_build *b,
                                     const struct onnx_node *n, const struct onnx_scope *scope)
{
    struct dsc_tensor t = {0};
    struct dsc_rd r = n->msg;
    struct wire_field f;
    const char *name;
    struct attr a;
    enum dsc_status st = DSC_OK;
    int id, n_given = 0;

    if (n->n_in != 0 || n->n_out != 1)
        return dsc_fail(in->err, DSC_E_INCONSISTENT, "Constant '%s' has %d inputs and %d outputs",
                        n->name, n->n_in, n->n_out);
    name = onnx_map_name(in, scope, n->out[0]);
    if (!name)
        return in->err->status;
    while (st == DSC_OK && wire_next(&r, &f)) {
        if (f.number != NODE_ATTR)
            continue;
        st = read_attr(in, wire_bytes(&r, &f), scope, &a);
        if (st != DSC_OK || !a.is_given)
            continue;
        if (n_given++ > 0)
            st = dsc_fail(in->err, DSC_E_INCONSISTENT, "Constant '%s' has several values", name);
        else
            st = constant_tensor(in, b, &a, &t);
    }
    if (st == DSC_OK)
        st = dsc_rd_status(&r);
    if (st == DSC_OK && n_given == 0)
        st = dsc_fail(in->err, DSC_E_SCHEMA, "Constant '%s' has no value", name);
    if (st == DSC_OK && dsc_tensor_is_present(&t)) {
        st = dsc_graph_value_named(b->g, name, &id, in->err);
        if (st == DSC_OK &&
            (dsc_tensor_is_present(&b->g->values[id].init) || b->g->values[id].is_input))
            st = dsc_fail(in->err, DSC_E_DUP, "the value '%s' is defined twice", name);
        if (st == DSC_OK)
            st = dsc_graph_set_init(b->g, id, &t, in->err);
        if (st == DSC_OK)
            b->g->values[id].is_constant = true;
    }
    dsc_tensor_clear(&t);
    return st;
}

/* A node of an operator that is not there: its graphs are searched for more of them. */
static enum dsc_status note_missing_op(struct onnx_in *in, struct onnx_build *b,
                                       const struct onnx_node *n, const struct onnx_scope *scope)
{
    struct dsc_rd r = n->msg;
    struct wire_field f;
    struct attr a;

    DSC_TRY(onnx_note_missing(in, "operator %s%s%s", n->domain, n->domain[0] ? "." : "", n->op));
    while (wire_next(&r, &f)) {
        struct dsc_attr slot = {0};
        enum dsc_status st;

        if (f.number != NODE_ATTR)
            continue;
        DSC_TRY(read_attr(in, wire_bytes(&r, &f), scope, &a));
        if (!a.is_given || a.type != ONNX_ATTR_GRAPH)
            continue;
        st = read_single(in, b, &a, &slot);
        dsc_graph_free(slot.graph);
        DSC_TRY(st);
    }
    return dsc_rd_status(&r);
}

/* Node names are unique in our graphs; files leave them out, and some repeat them. */
static const char *node_name(struct onnx_in *in, struct onnx_build *b, const struct onnx_node *n,
                             const struct onnx_scope *scope)
{
    const char *sep = scope->prefix ? "/" : "", *prefix = scope->prefix ? scope->prefix : "";
    const char *out = n->n_out > 0 ? onnx_map_name(in, scope, n->out[0]) : "";
    const char *name = NULL;

    if (n->name[0])
        name = dsc_arena_printf(&in->tmp, in->err, "%s%s%s", prefix, sep, n->name);
    else if (out)
        name = dsc_arena_printf(&in->tmp, in->err, "%s:%s", n->op, out);
    if (name && dsc_graph_find_node(b->g, name) >= 0) {
        in->n_renamed += n->name[0] != '\0';
        for (int i = 0; name && dsc_graph_find_node(b->g, name) >= 0; i++)
            name = dsc_arena_printf(&in->tmp, in->err, "%s%s%s_%d", prefix, sep,
                                    n->name[0] ? n->name : n->op, b->g->n_nodes + i);
    }
    return name;
}

static enum dsc_status value_ids(struct onnx_in *in, struct onnx_build *b, int n, char **names,
                                 const struct onnx_scope *scope, int *ids)
{
    for (int i = 0; i < n; i++) {
        const char *name = onnx_map_name(in, scope, names[i]);

        if (!name)
            return in->err->status;
        ids[i] = DSC_NO_VALUE;
        if (name[0])
            DSC_TRY(dsc_graph_value_named(b->g, name, &ids[i], in->err));
    }
    return DSC_OK;
}

static enum dsc_status remember_opset(struct onnx_in *in, struct onnx_build *b, int64_t opset)
{
    const int i = b->g->n_nodes - 1;
    int64_t *all;

    if (i >= b->cap_opsets) {
        const int cap = i < 64 ? 128 : 2 * i;

        DSC_NEW(all, &in->tmp, cap, in->err);
        if (b->cap_opsets)
            memcpy(all, b->opsets, (size_t)b->cap_opsets * sizeof *all);
        b->opsets = all;
        b->cap_opsets = cap;
    }
    b->opsets[i] = opset;
    return DSC_OK;
}

static enum dsc_status check_kind(struct onnx_in *in, const struct onnx_node *n,
                                  const struct attr *a)
{
    static const struct {
        const char *name, *text;
        int64_t type;
    } kinds[] = {
#define DSC_ONNX_ATTR(name, kind) {#name, #kind, ONNX_ATTR_##kind},
#include "model/onnx_attr_kinds.def"
#undef DSC_ONNX_ATTR
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (a->type != kinds[i].type && strcmp(a->name, kinds[i].name) == 0)
            return dsc_fail(in->err, DSC_E_TYPE, "attribute '%s' of node '%s' (%s) is no %s",
                            a->name, n->name, n->op, kinds[i].text);
    return DSC_OK;
}

static enum dsc_status add_node(struct onnx_in *in, struct onnx_build *b, const struct dsc_op *op,
                                const struct onnx_node *n, const struct onnx_scope *scope)
{
    struct dsc_rd r = n->msg;
    struct dsc_node *node;
    struct wire_field f;
    struct attr a;
    const char *name = node_name(in, b, n, scope);
    int *ins, *outs;

    if (!name)
        return in->err->status;
    DSC_NEW(ins, &in->tmp, n->n_in, in->err);
    DSC_NEW(outs, &in->tmp, n->n_out, in->err);
    DSC_TRY(value_ids(in, b, n->n_in, n->in, scope, ins));
    DSC_TRY(value_ids(in, b, n->n_out, n->out, scope, outs));
    DSC_TRY(dsc_graph_node(b->g, op, name, n->n_in, ins, n->n_out, outs, &node, in->err));
    DSC_TRY(remember_opset(in, b, onnx_opset_of(scope, n->domain)));
    while (wire_next(&r, &f)) {
        if (f.number != NODE_ATTR)
            continue;
        DSC_TRY(read_attr(in, wire_bytes(&r, &f), scope, &a));
        if (!a.is_given)
            continue;
        DSC_TRY(check_kind(in, n, &a));
        DSC_TRY(fill_attr(in, b, node, &a));
    }
    return dsc_rd_status(&r);
}

static enum dsc_status read_node(struct onnx_in *in, struct onnx_build *b, struct dsc_rd msg,
                                 const struct onnx_scope *scope)
{
    const struct onnx_func *func;
    const struct dsc_op *op;
    struct onnx_node n;

    if (++in->n_nodes > in->max_nodes)
        return dsc_rd_fail(&msg, DSC_E_LIMIT, "over %lld nodes in a file of %zu bytes",
                           (long long)in->max_nodes, in->file->n_bytes);
    DSC_TRY(read_node_fields(in, msg, &n));
    func = onnx_find_func(in, &n);
    if (func)
        return onnx_inline_call(in, b, &n, func, scope);
    if (!n.domain[0] && strcmp(n.op, "Constant") == 0)
        return read_constant(in, b, &n, scope);
    op = strcmp(n.domain, "dsc") == 0 ? NULL : dsc_op_find(n.domain, n.op);
    if (!op)
        return note_missing_op(in, b, &n, scope);
    return add_node(in, b, op, &n, scope);
}

enum dsc_status onnx_read_nodes(struct onnx_in *in, struct onnx_build *b, struct dsc_rd msg,
                                uint32_t number, const struct onnx_scope *scope)
{
    struct dsc_rd r = msg;
    struct wire_field f;

    /* All outputs first, so that an inlined body cannot take a name that comes later. */
    while (wire_next(&r, &f)) {
        int n, id;
        char **out;

        if (f.number != number)
            continue;
        DSC_TRY(onnx_read_texts(in, wire_bytes(&r, &f), NODE_OUTPUT, &n, &out));
        for (int i = 0; i < n; i++)
            DSC_TRY(value_ids(in, b, 1, &out[i], scope, &id));
    }
    DSC_TRY(dsc_rd_status(&r));
    while (wire_next(&msg, &f))
        if (f.number == number)
            DSC_TRY(read_node(in, b, wire_bytes(&msg, &f), scope));
    return dsc_rd_status(&msg);
}
