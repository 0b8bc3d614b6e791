/*
 * Model-local functions: a call is replaced by the body, names prefixed with the call's name.
 * Formal inputs and outputs stand for the caller's values; attribute references for what the call
 * gives, else for the function's defaults.
 */
#include "model/onnx_in.h"

#include <string.h>

enum { INLINE_MAX_PREFIX_TRIES = 1000 };

enum dsc_status onnx_read_func(struct onnx_in *in, struct dsc_rd msg)
{
    struct dsc_rd r = msg;
    struct onnx_func *f;
    struct wire_field w;

    if (in->n_funcs == in->cap_funcs) {
        const int cap = in->cap_funcs ? 2 * in->cap_funcs : 16;

        DSC_NEW(f, &in->tmp, cap, in->err);
        if (in->n_funcs)
            memcpy(f, in->funcs, (size_t)in->n_funcs * sizeof *f);
        in->funcs = f;
        in->cap_funcs = cap;
    }
    f = &in->funcs[in->n_funcs];
    *f = (struct onnx_func){.domain = "", .name = "", .overload = "", .body = msg};
    while (wire_next(&r, &w)) {
        if (w.number == FUNC_NAME)
            f->name = wire_text(&r, &w, &in->tmp);
        else if (w.number == FUNC_DOMAIN)
            f->domain = wire_text(&r, &w, &in->tmp);
        else if (w.number == FUNC_OVERLOAD)
            f->overload = wire_text(&r, &w, &in->tmp);
    }
    DSC_TRY(dsc_rd_status(&r));
    if (strcmp(f->domain, "ai.onnx") == 0)
        f->domain = "";
    DSC_TRY(onnx_read_texts(in, msg, FUNC_INPUT, &f->n_in, &f->in));
    DSC_TRY(onnx_read_texts(in, msg, FUNC_OUTPUT, &f->n_out, &f->out));
    DSC_TRY(onnx_read_opsets(in, msg, FUNC_OPSET, &f->n_opsets, &f->opsets));
    for (int i = 0; i < in->n_funcs; i++)
        if (strcmp(in->funcs[i].name, f->name) == 0 &&
            strcmp(in->funcs[i].domain, f->domain) == 0 &&
            strcmp(in->funcs[i].overload, f->overload) == 0)
            return dsc_fail(in->err, DSC_E_DUP, "the function '%s.%s' stands twice", f->domain,
                            f->name);
    in->n_funcs++;
    return DSC_OK;
}

const struct onnx_func *onnx_find_func(const struct onnx_in *in, const struct onnx_node *n)
{
    for (int i = 0; i < in->n_funcs; i++) {
        const struct onnx_func *f = &in->funcs[i];

        if (strcmp(f->name, n->op) == 0 && strcmp(f->domain, n->domain) == 0 &&
            strcmp(f->overload, n->overload) == 0)
            return f;
    }
    return NULL;
}

const struct onnx_arg *onnx_find_arg(const struct onnx_scope *scope, const char *ref)
{
    for (int i = 0; i < scope->n_args; i++)
        if (strcmp(scope->args[i].name, ref) == 0)
            return &scope->args[i];
    return NULL;
}

const char *onnx_map_name(struct onnx_in *in, const struct onnx_scope *scope, const char *name)
{
    if (!name[0] || !scope->prefix)
        return name;
    for (int i = 0; i < scope->n_bindings; i++)
        if (strcmp(scope->bindings[i].formal, name) == 0)
            return scope->bindings[i].actual;
    in->inlined_name_bytes += strlen(scope->prefix) + strlen(name) + 2;
    if (in->inlined_name_bytes > ONNX_MAX_INLINED_NAME_BYTES) {
        dsc_fail(in->err, DSC_E_LIMIT, "inlining functions makes over %d bytes of names",
                 ONNX_MAX_INLINED_NAME_BYTES);
        return NULL;
    }
    return dsc_arena_printf(&in->tmp, in->err, "%s/%s", scope->prefix, name);
}

/* No value of the body may meet one that is there already. */
static enum dsc_status is_prefix_free(struct onnx_in *in, const struct onnx_build *b,
                                      const struct onnx_func *f, const struct onnx_scope *scope,
                                      bool *is_free)
{
    struct dsc_rd r = f->body;
    struct wire_field w;

    *is_free = true;
    while (*is_free && wire_next(&r, &w)) {
        int n = 0;
        char **out;

        if (w.number != FUNC_NODE)
            continue;
        DSC_TRY(onnx_read_texts(in, wire_bytes(&r, &w), NODE_OUTPUT, &n, &out));
        for (int i = 0; i < n; i++) {
            bool is_bound = !out[i][0];
            const char *name;

            for (int k = 0; k < scope->n_bindings; k++)
                is_bound = is_bound || strcmp(scope->bindings[k].formal, out[i]) == 0;
            if (is_bound)
                continue;
            name = onnx_map_name(in, scope, out[i]);
            if (!name)
                return in->err->status;
            if (dsc_graph_find_value(b->g, name) >= 0)
                *is_free = false;
        }
    }
    return dsc_rd_status(&r);
}

static enum dsc_status choose_prefix(struct onnx_in *in, const struct onnx_build *b,
                                     const struct onnx_node *n, const struct onnx_func *f,
                                     const struct onnx_scope *outer, struct onnx_scope *scope)
{
    const char *call = n->name[0] ? n->name : f->name;
    bool is_free = false;

    for (int i = 0; i < INLINE_MAX_PREFIX_TRIES && !is_free; i++) {
        const struct dsc_arena_mark mark = dsc_arena_mark(&in->tmp);
        const char *sep = outer->prefix ? "/" : "", *base = outer->prefix ? outer->prefix : "";

        scope->prefix = i == 0 ? dsc_arena_printf(&in->tmp, in->err, "%s%s%s", base, sep, call)
                               : dsc_arena_printf(&in->tmp, in->err, "%s%s%s_%lld", base, sep, call,
                                                  (long long)in->n_nodes + i);
        if (!scope->prefix)
            return DSC_E_MEMORY;
        DSC_TRY(is_prefix_free(in, b, f, scope, &is_free));
        if (!is_free)
            dsc_arena_reset(&in->tmp, mark);
    }
    if (!is_free)
        return dsc_fail(in->err, DSC_E_LIMIT, "no free names for the body of function '%s'",
                        f->name);
    return DSC_OK;
}

static enum dsc_status bind_values(struct onnx_in *in, const struct onnx_node *n,
                                   const struct onnx_func *f, const struct onnx_scope *outer,
                                   struct onnx_scope *scope)
{
    struct onnx_binding *all;
    int n_all = 0;

    if (n->n_in > f->n_in || n->n_out > f->n_out)
        return dsc_fail(in->err, DSC_E_INCONSISTENT,
                        "function '%s' has %d inputs and %d outputs, its call '%s' %d and %d",
                        f->name, f->n_in, f->n_out, n->name, n->n_in, n->n_out);
    DSC_NEW(all, &in->tmp, f->n_in + f->n_out, in->err);
    for (int i = 0; i < f->n_in; i++, n_all++) {
        all[n_all].formal = f->in[i];
        all[n_all].actual = i < n->n_in ? onnx_map_name(in, outer, n->in[i]) : "";
        if (!all[n_all].actual)
            return in->err->status;
    }
    for (int i = 0; i < n->n_out; i++) {
        if (!n->out[i][0])
            continue;
        all[n_all].formal = f->out[i];
        all[n_all].actual = onnx_map_name(in, outer, n->out[i]);
        if (!all[n_all].actual)
            return in->err->status;
        n_all++;
    }
    scope->bindings = all;
    scope->n_bindings = n_all;
    return DSC_OK;
}

/* Attributes of one message: the call's own, or the function's defaults. */
static enum dsc_status add_args(struct onnx_in *in, struct dsc_rd msg, uint32_t number,
                                const struct onnx_scope *from, struct onnx_scope *scope,
                                struct onnx_arg *all)
{
    struct wire_field w, v;

    while (wire_next(&msg, &w)) {
        struct onnx_arg arg = {.name = "", .scope = from};
        const char *ref = "";
        struct dsc_rd r;

        if (w.number != number)
            continue;
        arg.attr = r = wire_bytes(&msg, &w);
        while (wire_next(&r, &v)) {
            if (v.number == ATTR_NAME)
                arg.name = wire_text(&r, &v, &in->tmp);
            else if (v.number == ATTR_REF)
                ref = wire_text(&r, &v, &in->tmp);
        }
        DSC_TRY(dsc_rd_status(&r));
        if (onnx_find_arg(scope, arg.name))
            continue; /* a default that the call overrides */
        if (ref[0]) {
            const struct onnx_arg *given = onnx_find_arg(from, ref);

            if (!given)
                continue;
            arg.attr = given->attr;
            arg.scope = given->scope;
        }
        all[scope->n_args++] = arg;
    }
    return dsc_rd_status(&msg);
}

static int count_fields(struct dsc_rd msg, uint32_t number)
{
    struct wire_field w;
    int n = 0;

    while (wire_next(&msg, &w))
        n += w.number == number;
    return n;
}

enum dsc_status onnx_inline_call(struct onnx_in *in, struct onnx_build *b,
                                 const struct onnx_node *n, const struct onnx_func *f,
                                 const struct onnx_scope *outer)
{
    struct onnx_scope *scope;
    struct onnx_arg *args;

    if (outer->depth + 1 > ONNX_MAX_DEPTH)
        return dsc_fail(in->err, DSC_E_LIMIT,
                        "function calls nest over %d deep at '%s' (functions may not be recursive)",
                        ONNX_MAX_DEPTH, f->name);
    DSC_NEW(scope, &in->tmp, 1, in->err);
    DSC_NEW(args, &in->tmp, n->n_attrs + count_fields(f->body, FUNC_ATTR_DEFAULT), in->err);
    scope->args = args;
    scope->depth = outer->depth + 1;
    scope->n_opsets = f->n_opsets;
    scope->opsets = f->opsets;
    DSC_TRY(bind_values(in, n, f, outer, scope));
    DSC_TRY(choose_prefix(in, b, n, f, outer, scope));
    DSC_TRY(add_args(in, n->msg, NODE_ATTR, outer, scope, args));
    DSC_TRY(add_args(in, f->body, FUNC_ATTR_DEFAULT, scope, scope, args));
    return onnx_read_nodes(in, b, f->body, FUNC_NODE, scope);
}
