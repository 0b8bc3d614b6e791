/* Two models side by side. */
#include "modeldiff.h"

#include "dsc/op.h"
#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 128 };

struct named {
    const char *name;
    const struct dsc_tensor *tensor;
};

struct side {
    const struct dsc_model *m;
    struct named *tensors; /* by name */
    const char **ops;      /* [n_ops] sorted, one for each node */
    int n_tensors, n_ops;
};

struct diff {
    struct dsc_cmd *cmd;
    struct side a, b;
    int n_tensors, n_ops, n_props;
    bool is_graph_other;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum dsc_status open_side(struct side *s, const struct dsc_model *m, struct dsc_arena *arena,
                                 struct dsc_err *err)
{
    const struct dsc_graph *g = m->graph;

    *s = (struct side){.m = m};
    DSC_NEW(s->tensors, arena, (g ? g->n_values : m->tensors.n) + 1, err);
    for (int i = 0; !g && i < m->tensors.n; i++)
        s->tensors[s->n_tensors++] =
            (struct named){m->tensors.items[i].name, &m->tensors.items[i].tensor};
    for (int i = 0; g && i < g->n_values; i++)
        if (dsc_tensor_is_present(&g->values[i].init) && g->values[i].n_uses > 0)
            s->tensors[s->n_tensors++] = (struct named){g->values[i].name, &g->values[i].init};
    qsort(s->tensors, (size_t)s->n_tensors, sizeof *s->tensors, by_name);
    DSC_NEW(s->ops, arena, (g ? g->n_nodes : 0) + 1, err);
    for (int i = 0; g && i < g->n_nodes; i++) {
        const struct dsc_op *op = g->nodes[i]->op;

        s->ops[s->n_ops] = op->onnx;
        if (dsc_op_domain(op)[0])
            s->ops[s->n_ops] = dsc_arena_printf(arena, err, "%s.%s", dsc_op_domain(op), op->onnx);
        if (!s->ops[s->n_ops++])
            return DSC_E_MEMORY;
    }
    qsort(s->ops, (size_t)s->n_ops, sizeof *s->ops, by_text);
    return DSC_OK;
}

/* ---- tensors ---- */

struct distance {
    int64_t n_other;
    double max_abs, max_rel;
};

static bool is_same_value(double x, double y)
{
    return x == y || (isnan(x) && isnan(y));
}

static void measure(const struct dsc_tensor *a, const struct dsc_tensor *b, struct distance *d)
{
    const int64_t n = dsc_tensor_n_elems(a);

    *d = (struct distance){0};
    if (n == 0 || memcmp(a->data, b->data, dsc_tensor_n_bytes(a)) == 0)
        return;
    for (int64_t i = 0; i < n; i++) {
        const double x = dsc_tensor_get_f64(a, i), y = dsc_tensor_get_f64(b, i);
        const double gap = fabs(x - y), size = fmax(fabs(x), fabs(y));

        if (is_same_value(x, y))
            continue;
        d->n_other++;
        d->max_abs = fmax(d->max_abs, isnan(gap) ? INFINITY : gap);
        d->max_rel = fmax(d->max_rel, isfinite(gap) && isfinite(size) ? gap / size : INFINITY);
    }
}

static void put_text(struct dsc_json *j, struct dsc_table *table, const char *key,
                     const struct named *t)
{
    char text[TEXT_BYTES];

    dsc_table_cell(table, "%s", t ? dsc_tensor_text(t->tensor, text, sizeof text) : "-");
    dsc_json_text(j, key, t ? dsc_tensor_text(t->tensor, text, sizeof text) : NULL);
}

/* A line for tensors that differ: of both models, or of one (the other is NULL). */
static void compare_tensor(struct diff *d, struct dsc_table *table, const struct named *a,
                           const struct named *b)
{
    struct dsc_json *j = &d->cmd->json;
    const bool is_alike = a && b && a->tensor->dtype == b->tensor->dtype &&
                          dsc_tensor_same_shape(a->tensor, b->tensor);
    struct distance far = {0};

    if (is_alike)
        measure(a->tensor, b->tensor, &far);
    if (is_alike && far.n_other == 0)
        return;
    d->n_tensors++;
    dsc_json_object(j, NULL);
    dsc_json_text(j, "name", a ? a->name : b->name);
    dsc_table_cell(table, "%s", a ? a->name : b->name);
    put_text(j, table, "a", a);
    put_text(j, table, "b", b);
    if (is_alike) {
        dsc_table_cell(table, "%" PRId64, far.n_other);
        dsc_table_cell(table, "%.3g", far.max_abs);
        dsc_table_cell(table, "%.3g", far.max_rel);
        dsc_json_int(j, "different", far.n_other);
        dsc_json_float(j, "max_abs", far.max_abs);
        dsc_json_float(j, "max_rel", far.max_rel);
    } else {
        for (int i = 0; i < 3; i++)
            dsc_table_cell(table, "-");
    }
    dsc_json_end(j);
}

static enum dsc_status compare_tensors(struct diff *d, struct dsc_err *err)
{
    const struct side *a = &d->a, *b = &d->b;
    struct dsc_table table;
    int i = 0, k = 0;

    dsc_table_init(&table, d->cmd->arena, "tensor,A,B,>elements,>largest,>relative");
    dsc_json_array(&d->cmd->json, "tensors");
    while (i < a->n_tensors || k < b->n_tensors) {
        const int order = i == a->n_tensors   ? 1
                          : k == b->n_tensors ? -1
                                              : by_name(&a->tensors[i], &b->tensors[k]);

        compare_tensor(d, &table, order <= 0 ? &a->tensors[i] : NULL,
                       order >= 0 ? &b->tensors[k] : NULL);
        i += order <= 0;
        k += order >= 0;
        DSC_TRY(dsc_cmd_stopped(d->cmd, err));
    }
    dsc_json_end(&d->cmd->json);
    return d->n_tensors ? dsc_table_print(&table, d->cmd->out, err) : DSC_OK;
}

/* ---- the rest ---- */

static int count_from(const struct side *s, int at, const char *name)
{
    int n = 0;

    while (at + n < s->n_ops && strcmp(s->ops[at + n], name) == 0)
        n++;
    return n;
}

static enum dsc_status compare_ops(struct diff *d, struct dsc_err *err)
{
    struct dsc_json *j = &d->cmd->json;
    struct dsc_table table;
    int i = 0, k = 0;

    dsc_table_init(&table, d->cmd->arena, "operator,>A,>B");
    dsc_json_object(j, "ops");
    while (i < d->a.n_ops || k < d->b.n_ops) {
        const char *x = i < d->a.n_ops ? d->a.ops[i] : NULL;
        const char *y = k < d->b.n_ops ? d->b.ops[k] : NULL;
        const char *name = !y || (x && strcmp(x, y) < 0) ? x : y;
        const int n_a = count_from(&d->a, i, name), n_b = count_from(&d->b, k, name);

        i += n_a;
        k += n_b;
        if (n_a == n_b)
            continue;
        d->n_ops++;
        dsc_table_cell(&table, "%s", name);
        dsc_table_cell(&table, "%d", n_a);
        dsc_table_cell(&table, "%d", n_b);
        dsc_json_array(j, name);
        dsc_json_int(j, NULL, n_a);
        dsc_json_int(j, NULL, n_b);
        dsc_json_end(j);
    }
    dsc_json_end(j);
    if (d->n_ops == 0)
        return DSC_OK;
    fprintf(d->cmd->out, "%s", d->n_tensors ? "\n" : "");
    return dsc_table_print(&table, d->cmd->out, err);
}

static void note_key(struct diff *d, const char *key, const char *what)
{
    d->n_props++;
    fputs("metadata    ", d->cmd->out);
    dsc_term_put(d->cmd->out, key);
    fprintf(d->cmd->out, " %s\n", what);
    dsc_json_text(&d->cmd->json, NULL, key);
}

static void compare_props(struct diff *d)
{
    const struct dsc_graph *a = d->a.m->graph, *b = d->b.m->graph;

    dsc_json_array(&d->cmd->json, "metadata");
    for (int i = 0; a && b && i < a->n_props; i++) {
        const char *other = dsc_graph_prop(b, a->props[i].key);

        if (!other || strcmp(other, a->props[i].value) != 0)
            note_key(d, a->props[i].key, other ? "differs" : "is in A only");
    }
    for (int i = 0; a && b && i < b->n_props; i++)
        if (!dsc_graph_prop(a, b->props[i].key))
            note_key(d, b->props[i].key, "is in B only");
    dsc_json_end(&d->cmd->json);
}

/* Where nothing above differs, the graphs still may: names, order, attributes, inputs. */
static void compare_graphs(struct diff *d)
{
    struct dsc_err why = {0};

    d->is_graph_other = !d->a.m->graph != !d->b.m->graph;
    if (d->a.m->graph && d->b.m->graph)
        d->is_graph_other = dsc_graph_same(d->a.m->graph, d->b.m->graph, &why) != DSC_OK;
    if (d->is_graph_other && d->n_tensors + d->n_ops + d->n_props == 0) {
        fputs("graph       ", d->cmd->out);
        dsc_term_put(d->cmd->out, why.message[0] ? why.message : "only one of the files has one");
        fputs(why.where[0] ? ": " : "", d->cmd->out);
        dsc_term_put(d->cmd->out, why.where);
        fputc('\n', d->cmd->out);
    }
    dsc_json_text(&d->cmd->json, "graph",
                  !d->is_graph_other ? NULL
                  : why.message[0]   ? why.message
                                     : "only one of the files has one");
}

enum dsc_status dsc_model_diff(struct dsc_cmd *cmd, const struct dsc_model *a,
                               const struct dsc_model *b, struct dsc_err *err)
{
    struct diff d = {.cmd = cmd};
    bool is_equal;

    DSC_TRY(open_side(&d.a, a, cmd->arena, err));
    DSC_TRY(open_side(&d.b, b, cmd->arena, err));
    DSC_TRY(compare_tensors(&d, err));
    if (a->graph && b->graph)
        DSC_TRY(compare_ops(&d, err));
    compare_props(&d);
    compare_graphs(&d);
    is_equal = d.n_tensors + d.n_ops + d.n_props == 0 && !d.is_graph_other;
    dsc_json_bool(&cmd->json, "equal", is_equal);
    if (is_equal) {
        fprintf(cmd->out, "equal: %d tensors, %d nodes\n", d.a.n_tensors, d.a.n_ops);
        return DSC_OK;
    }
    return dsc_fail(err, DSC_E_CHECK,
                    "the models differ: %d of %d and %d tensors, %d operators, %d metadata",
                    d.n_tensors, d.a.n_tensors, d.b.n_tensors, d.n_ops, d.n_props);
}
