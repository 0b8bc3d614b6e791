/* Two models side by side. */
#include "modeldiff.h"

#include "dsc/op.h"
#include "table.h"
#include "tensorlist.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 128 };

struct side {
    const struct dsc_model *m;
    struct dsc_listed *tensors; /* by name */
    const char **ops;           /* [n_ops] sorted, one for each node */
    int n_tensors, n_ops;
};

struct diff {
    struct dsc_cmd *cmd;
    struct side a, b;
    int n_tensors, n_ops, n_props;
    bool is_graph_other;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum dsc_status open_side(struct side *s, const struct dsc_model *m, struct dsc_arena *arena,
                                 struct dsc_err *err)
{
    const struct dsc_graph *g = m->graph;

    *s = (struct side){.m = m};
    DSC_TRY(dsc_list_tensors(m, NULL, arena, &s->tensors, &s->n_tensors, err));
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
    if (n == 0 || (a->dtype == b->dtype && memcmp(a->data, b->data, dsc_tensor_n_bytes(a)) == 0))
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
                     const struct dsc_listed *t)
{
    char text[TEXT_BYTES];

    dsc_table_cell(table, "%s", t ? dsc_listed_text(t, text, sizeof text) : "-");
    dsc_json_text(j, key, t ? dsc_listed_text(t, text, sizeof text) : NULL);
}

/* Floats of any two types can be compared, others of one type. */
static bool has_distance(const struct dsc_listed *a, const struct dsc_listed *b)
{
    return a && b && a->dtype && b->dtype && a->rank == b->rank &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0 &&
           (a->dtype == b->dtype || (dsc_dtype_is_float(a->dtype) && dsc_dtype_is_float(b->dtype)));
}

static enum dsc_status measure_listed(const struct diff *d, const struct dsc_listed *a,
                                      const struct dsc_listed *b, struct distance *far,
                                      struct dsc_err *err)
{
    struct dsc_tensor x, y;

    DSC_TRY(dsc_listed_open(d->a.m, a, &x, err));
    if (dsc_listed_open(d->b.m, b, &y, err) == DSC_OK)
        measure(&x, &y, far);
    dsc_tensor_clear(&x);
    dsc_tensor_clear(&y);
    return err->status;
}

/* A line for tensors that differ: of both models, or of one (the other is NULL). */
static enum dsc_status compare_tensor(struct diff *d, struct dsc_table *table,
                                      const struct dsc_listed *a, const struct dsc_listed *b,
                                      struct dsc_err *err)
{
    struct dsc_json *j = &d->cmd->json;
    const bool is_alike = has_distance(a, b);
    struct distance far = {0};

    if (is_alike)
        DSC_TRY(measure_listed(d, a, b, &far, err));
    if (is_alike && far.n_other == 0 && strcmp(a->type, b->type) == 0)
        return DSC_OK;
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
    return DSC_OK;
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
                                              : strcmp(a->tensors[i].name, b->tensors[k].name);

        DSC_TRY(compare_tensor(d, &table, order <= 0 ? &a->tensors[i] : NULL,
                               order >= 0 ? &b->tensors[k] : NULL, err));
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

    for (int i = 0; i < a->n_props; i++) {
        const char *other = dsc_graph_prop(b, a->props[i].key);

        if (!other || strcmp(other, a->props[i].value) != 0)
            note_key(d, a->props[i].key, other ? "differs" : "is in A only");
    }
    for (int i = 0; i < b->n_props; i++)
        if (!dsc_graph_prop(a, b->props[i].key))
            note_key(d, b->props[i].key, "is in B only");
}

/* Of two files of tensors in one format: others keep other things. */
static void compare_meta(struct diff *d)
{
    const struct dsc_bundle *a = &d->a.m->tensors, *b = &d->b.m->tensors;

    for (int i = 0; i < a->n_meta; i++) {
        const char *other = dsc_bundle_meta(b, a->meta[i].key);

        if (!other || strcmp(other, a->meta[i].value) != 0)
            note_key(d, a->meta[i].key, other ? "differs" : "is in A only");
    }
    for (int i = 0; i < b->n_meta; i++)
        if (!dsc_bundle_meta(a, b->meta[i].key))
            note_key(d, b->meta[i].key, "is in B only");
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
    dsc_json_array(&cmd->json, "metadata");
    if (a->graph && b->graph)
        compare_props(&d);
    else if (!a->graph && a->format == b->format)
        compare_meta(&d);
    dsc_json_end(&cmd->json);
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
