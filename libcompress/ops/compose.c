/* Writing one node as several plain ones. */
#include "ops/compose.h"

#include "ops/upgrade.h"

int dsc_compose_of(struct dsc_compose *c, const char *op, int n_in, const int *in)
{
    int out = DSC_NO_VALUE;

    if (c->st == DSC_OK)
        c->st = dsc_graph_call(c->g, "", op, NULL, n_in, in, &out, &c->made, c->err);
    return out;
}

int dsc_compose(struct dsc_compose *c, const char *op, int a, int b)
{
    return dsc_compose_of(c, op, b == DSC_NO_VALUE ? 1 : 2, (int[]){a, b});
}

/* Nodes that were made before may read the value: they read the output from now on. */
void dsc_compose_out(struct dsc_compose *c, int output_idx)
{
    if (c->st != DSC_OK || output_idx >= c->n->n_out || c->n->out[output_idx] == DSC_NO_VALUE)
        return;
    dsc_graph_replace_uses(c->g, c->made->out[0], c->n->out[output_idx]);
    c->made->out[0] = c->n->out[output_idx];
}

void dsc_compose_int(struct dsc_compose *c, const char *attr, int64_t v)
{
    if (c->st == DSC_OK)
        c->st = dsc_node_set_int(c->g, c->made, attr, v, c->err);
}

void dsc_compose_float(struct dsc_compose *c, const char *attr, float v)
{
    if (c->st == DSC_OK)
        c->st = dsc_node_set_float(c->g, c->made, attr, v, c->err);
}

void dsc_compose_ints(struct dsc_compose *c, const char *attr, const int64_t *v, int n_v)
{
    if (c->st == DSC_OK)
        c->st = dsc_node_set_ints(c->g, c->made, attr, v, n_v, c->err);
}

int dsc_compose_list(struct dsc_compose *c, const int64_t *v, int n_v)
{
    int id = DSC_NO_VALUE;

    if (c->st == DSC_OK)
        c->st = dsc_upgrade_list(c->g, c->n, "list", v, n_v, &id, c->err);
    return id;
}

int dsc_compose_scalar(struct dsc_compose *c, enum dsc_dtype dtype, double v)
{
    int id = DSC_NO_VALUE;

    if (c->st == DSC_OK)
        c->st = dsc_upgrade_scalar(c->g, c->n, "scalar", dtype, v, &id, c->err);
    return id;
}

int dsc_compose_in(const struct dsc_compose *c, int i)
{
    return dsc_node_has_in(c->n, i) ? c->n->in[i] : DSC_NO_VALUE;
}

void dsc_compose_fail(struct dsc_compose *c, const char *what)
{
    if (c->st == DSC_OK)
        c->st = dsc_fail(c->err, DSC_E_UNSUPPORTED, "%s with %s", c->n->op->onnx, what);
}

enum dsc_status dsc_compose_end(struct dsc_compose *c)
{
    if (c->st == DSC_OK)
        dsc_graph_remove_node(c->n);
    return c->st;
}

enum dsc_status dsc_infer_rewritten(struct dsc_infer *q, struct dsc_err *err)
{
    return dsc_fail(err, DSC_E_UNSUPPORTED, "%s.%s is rewritten when a model is read",
                    dsc_op_domain(q->node->op), q->node->op->onnx);
}
