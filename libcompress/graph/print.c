/* A graph as text, a line per node. */
#include "dsc/graph.h"
#include "dsc/io.h"
#include "dsc/op.h"

#include <inttypes.h>

static void print_type(const struct dsc_graph *g, const struct dsc_type *t, struct dsc_bytes *text)
{
    dsc_bytes_printf(text, ":%s", dsc_dtype_text(t->dtype));
    if (t->rank < 0) {
        dsc_bytes_text(text, "[..]");
        return;
    }
    dsc_bytes_text(text, "[");
    for (int i = 0; i < t->rank; i++) {
        const int64_t d = t->dim[i];

        if (i)
            dsc_bytes_text(text, ",");
        if (d >= 0)
            dsc_bytes_printf(text, "%" PRId64, d);
        else
            dsc_bytes_text(text, dsc_dim_is_symbol(d) ? g->symbols[dsc_dim_symbol_idx(d)] : "?");
    }
    dsc_bytes_text(text, "]");
}

static void print_attr(const struct dsc_attr *a, struct dsc_bytes *text)
{
    char tensor[128];

    dsc_bytes_printf(text, " %s=", a->name);
    switch (a->kind) {
    case DSC_ATTR_FLOAT:
        dsc_bytes_printf(text, "%.9g", (double)a->f);
        break;
    case DSC_ATTR_INT:
        dsc_bytes_printf(text, "%" PRId64, a->i);
        break;
    case DSC_ATTR_STRING:
        dsc_bytes_printf(text, "'%s'", a->s);
        break;
    case DSC_ATTR_TENSOR:
        dsc_bytes_text(text, dsc_tensor_text(&a->tensor, tensor, sizeof tensor));
        break;
    case DSC_ATTR_GRAPH:
        dsc_bytes_printf(text, "{%d nodes}", a->graph->n_nodes);
        break;
    case DSC_ATTR_FLOATS:
    case DSC_ATTR_INTS:
    case DSC_ATTR_STRINGS:
        dsc_bytes_text(text, "[");
        for (int i = 0; i < a->n; i++) {
            if (a->kind == DSC_ATTR_FLOATS)
                dsc_bytes_printf(text, "%s%.9g", i ? "," : "", (double)a->floats[i]);
            else if (a->kind == DSC_ATTR_INTS)
                dsc_bytes_printf(text, "%s%" PRId64, i ? "," : "", a->ints[i]);
            else
                dsc_bytes_printf(text, "%s'%s'", i ? "," : "", a->strings[i]);
        }
        dsc_bytes_text(text, "]");
        break;
    }
}

static void print_node(const struct dsc_graph *g, const struct dsc_node *n, struct dsc_bytes *text)
{
    for (int i = 0; i < n->n_out; i++) {
        dsc_bytes_text(text, i ? ", " : "");
        if (n->out[i] == DSC_NO_VALUE) {
            dsc_bytes_text(text, "-");
            continue;
        }
        dsc_bytes_text(text, g->values[n->out[i]].name);
        print_type(g, &g->values[n->out[i]].type, text);
    }
    dsc_bytes_printf(text, " = %s%s%s(", dsc_op_domain(n->op), dsc_op_domain(n->op)[0] ? "." : "",
                     n->op->onnx);
    for (int i = 0; i < n->n_in; i++)
        dsc_bytes_printf(text, "%s%s", i ? ", " : "",
                         n->in[i] == DSC_NO_VALUE ? "-" : g->values[n->in[i]].name);
    dsc_bytes_text(text, ")");
    for (int i = 0; i < n->n_attrs; i++)
        print_attr(&n->attrs[i], text);
    dsc_bytes_text(text, "\n");
}

void dsc_graph_print(const struct dsc_graph *g, struct dsc_bytes *text)
{
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];

        dsc_bytes_printf(text, "input %s", v->name);
        print_type(g, &v->type, text);
        dsc_bytes_text(text, "\n");
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->op)
            print_node(g, g->nodes[i], text);
    for (int i = 0; i < g->n_outputs; i++)
        dsc_bytes_printf(text, "output %s\n", g->values[g->outputs[i]].name);
}
