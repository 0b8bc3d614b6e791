/* Where the time of a run goes. */
#include "profile.h"

#include "progress.h"
#include "table.h"

#include <stdlib.h>
#include <string.h>

enum { PROFILE_RUNS = 5, PROFILE_TOP = 10 };

/* One node, or all of an operator. */
struct entry {
    const char *name;
    double ms;                /* mean of a run */
    double start_us, span_us; /* of the last run */
    int n_nodes;
};

struct profile {
    const struct dsc_graph *g;
    struct entry *nodes; /* [g->n_nodes] */
    int at;              /* the node that is awaited */
    double begin_s, last_s;
};

/* Nodes run in the graph's order. */
static enum dsc_status after_node(void *ctx, const struct dsc_node *n,
                                  const struct dsc_tensor *const *in, struct dsc_tensor *const *out,
                                  struct dsc_err *err)
{
    struct profile *p = ctx;
    const double now = dsc_now_s();

    (void)in;
    (void)out;
    while (p->at < p->g->n_nodes && p->g->nodes[p->at] != n)
        p->at++;
    if (p->at == p->g->n_nodes)
        return dsc_fail(err, DSC_E_INTERNAL, "nodes ran in another order");
    p->nodes[p->at].ms += (now - p->last_s) * 1e3 / PROFILE_RUNS;
    p->nodes[p->at].start_us = (p->last_s - p->begin_s) * 1e6;
    p->nodes[p->at].span_us = (now - p->last_s) * 1e6;
    p->at++;
    p->last_s = dsc_now_s();
    return DSC_OK;
}

static int slowest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->ms != y->ms)
        return x->ms > y->ms ? -1 : 1;
    return strcmp(x->name, y->name);
}

static enum dsc_status show(struct dsc_cmd *cmd, const char *key, const char *headers,
                            const struct entry *e, int n, double total, struct dsc_err *err)
{
    struct dsc_table t;

    dsc_table_init(&t, cmd->arena, headers);
    dsc_json_array(&cmd->json, key);
    for (int i = 0; i < n; i++) {
        dsc_table_cell(&t, "%s", e[i].name);
        dsc_table_cell(&t, "%d", e[i].n_nodes);
        dsc_table_cell(&t, "%.3f", e[i].ms);
        dsc_table_cell(&t, "%.1f %%", total > 0 ? 100 * e[i].ms / total : 0);
        dsc_json_object(&cmd->json, NULL);
        dsc_json_text(&cmd->json, "name", e[i].name);
        dsc_json_int(&cmd->json, "nodes", e[i].n_nodes);
        dsc_json_float(&cmd->json, "latency_ms", e[i].ms);
        dsc_json_end(&cmd->json);
    }
    dsc_json_end(&cmd->json);
    fprintf(cmd->out, "\n");
    return dsc_table_print(&t, cmd->out, err);
}

static enum dsc_status report(struct dsc_cmd *cmd, struct profile *p, struct dsc_err *err)
{
    struct entry *ops;
    double total = 0;
    int n_ops = 0;

    DSC_NEW(ops, cmd->arena, p->g->n_nodes, err);
    for (int i = 0; i < p->g->n_nodes; i++) {
        const char *op = p->g->nodes[i]->op->onnx;
        int k = 0;

        while (k < n_ops && strcmp(ops[k].name, op) != 0)
            k++;
        if (k == n_ops)
            ops[n_ops++].name = op;
        ops[k].ms += p->nodes[i].ms;
        ops[k].n_nodes++;
        total += p->nodes[i].ms;
    }
    if (n_ops == 0)
        return DSC_OK;
    qsort(ops, (size_t)n_ops, sizeof *ops, slowest_first);
    DSC_TRY(show(cmd, "profile", "operator,>nodes,>ms,>share", ops, n_ops, total, err));
    qsort(p->nodes, (size_t)p->g->n_nodes, sizeof *p->nodes, slowest_first);
    return show(cmd, "slowest_nodes", "node,>nodes,>ms,>share", p->nodes,
                p->g->n_nodes < PROFILE_TOP ? p->g->n_nodes : PROFILE_TOP, total, err);
}

static void trace_event(struct dsc_json *json, const struct dsc_node *n, const struct entry *e)
{
    dsc_json_object(json, NULL);
    dsc_json_text(json, "name", n->name);
    dsc_json_text(json, "cat", n->op->onnx);
    dsc_json_text(json, "ph", "X");
    dsc_json_float(json, "ts", e->start_us);
    dsc_json_float(json, "dur", e->span_us);
    dsc_json_int(json, "pid", 1);
    dsc_json_int(json, "tid", 1);
    dsc_json_end(json);
}

/* Source: the Trace Event Format, complete events ("X"), microseconds. */
static enum dsc_status write_trace(const struct profile *p, const char *path, bool may_replace,
                                   struct dsc_err *err)
{
    struct dsc_json json = {0};
    struct dsc_out o;
    enum dsc_status st;

    dsc_json_object(&json, NULL);
    dsc_json_array(&json, "traceEvents");
    for (int i = 0; i < p->g->n_nodes; i++)
        trace_event(&json, p->g->nodes[i], &p->nodes[i]);
    dsc_json_end(&json);
    dsc_json_text(&json, "displayTimeUnit", "ms");
    dsc_json_end(&json);
    st = json.text.is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for the trace")
                             : dsc_out_open(&o, path, may_replace, err);
    if (st == DSC_OK) {
        dsc_out_write(&o, json.text.data, json.text.n_bytes);
        dsc_out_text(&o, "\n");
        st = dsc_out_commit(&o, err);
    }
    dsc_json_clear(&json);
    return st;
}

enum dsc_status dsc_profile(struct dsc_cmd *cmd, struct dsc_bench_side *side, bool is_shown,
                            const char *trace, bool may_replace, struct dsc_err *err)
{
    struct profile p = {.g = side->m.model.graph};
    const struct dsc_run run = {.after_node = after_node, .ctx = &p};
    double seconds;

    DSC_NEW(p.nodes, cmd->arena, p.g->n_nodes, err);
    for (int i = 0; i < p.g->n_nodes; i++) {
        p.nodes[i].name = p.g->nodes[i]->name;
        p.nodes[i].n_nodes = 1;
    }
    for (int i = 0; i < PROFILE_RUNS; i++) {
        DSC_TRY(dsc_cmd_stopped(cmd, err));
        p.at = 0;
        p.begin_s = p.last_s = dsc_now_s();
        DSC_TRY(dsc_bench_run(side, &run, &seconds, err));
    }
    if (trace) /* before the report sorts the nodes */
        DSC_TRY(write_trace(&p, trace, may_replace, err));
    return is_shown ? report(cmd, &p, err) : DSC_OK;
}
