/* Are two graphs the same? Written files are read back and compared with what they came from. */
#include "dsc/op.h"
#include "formats_model.h"
#include "model/onnx_write.h"

#include <string.h>

static enum dsc_status differ(struct dsc_err *err, const char *what, const char *name)
{
    return dsc_fail(err, DSC_E_INCONSISTENT, "%s '%s' differs", what, name);
}

static bool same_tensor(const struct dsc_tensor *a, const struct dsc_tensor *b)
{
    const size_t n_bytes = dsc_tensor_is_present(a) ? dsc_tensor_n_bytes(a) : 0;

    return a->dtype == b->dtype && dsc_tensor_same_shape(a, b) &&
           (n_bytes == 0 || memcmp(a->data, b->data, n_bytes) == 0);
}

static bool same_dim(const struct dsc_graph *a, int64_t da, const struct dsc_graph *b, int64_t db)
{
    if (dsc_dim_is_symbol(da) && dsc_dim_is_symbol(db))
        return strcmp(a->symbols[dsc_dim_symbol_idx(da)], b->symbols[dsc_dim_symbol_idx(db)]) == 0;
    return da == db;
}

static bool same_type(const struct dsc_graph *a, const struct dsc_value *va,
                      const struct dsc_graph *b, const struct dsc_value *vb)
{
    if (va->type.dtype != vb->type.dtype || va->type.rank != vb->type.rank)
        return false;
    for (int i = 0; i < va->type.rank; i++)
        if (!same_dim(a, va->type.dim[i], b, vb->type.dim[i]))
            return false;
    return true;
}

static const char *name_of(const struct dsc_graph *g, int value)
{
    return value == DSC_NO_VALUE ? "" : g->values[value].name;
}

/* Wiring, but for inputs or outputs at the end that are left out. */
static bool same_wires(const struct dsc_graph *a, int n_a, const int *ids_a,
                       const struct dsc_graph *b, int n_b, const int *ids_b)
{
    for (int i = 0; i < n_a || i < n_b; i++)
        if (strcmp(name_of(a, i < n_a ? ids_a[i] : DSC_NO_VALUE),
                   name_of(b, i < n_b ? ids_b[i] : DSC_NO_VALUE)) != 0)
            return false;
    return true;
}

static bool same_attr(const struct dsc_attr *a, const struct dsc_attr *b, struct dsc_err *err)
{
    if (a->kind != b->kind || a->n != b->n)
        return false;
    switch (a->kind) {
    case DSC_ATTR_FLOAT:
        return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case DSC_ATTR_INT:
        return a->i == b->i;
    case DSC_ATTR_STRING:
        return a->n == 0 || memcmp(a->s, b->s, (size_t)a->n) == 0;
    case DSC_ATTR_TENSOR:
        return same_tensor(&a->tensor, &b->tensor);
    case DSC_ATTR_GRAPH:
        return dsc_graph_same(a->graph, b->graph, err) == DSC_OK;
    case DSC_ATTR_FLOATS:
        return a->n == 0 || memcmp(a->floats, b->floats, (size_t)a->n * sizeof(float)) == 0;
    case DSC_ATTR_INTS:
        return a->n == 0 || memcmp(a->ints, b->ints, (size_t)a->n * sizeof(int64_t)) == 0;
    case DSC_ATTR_STRINGS:
        for (int i = 0; i < a->n; i++)
            if (strcmp(a->strings[i], b->strings[i]) != 0)
                return false;
        return true;
    }
    return false;
}

static enum dsc_status compare_node(const struct dsc_graph *a, const struct dsc_node *na,
                                    const struct dsc_graph *b, const struct dsc_node *nb,
                                    struct dsc_err *err)
{
    if (strcmp(na->name, nb->name) != 0 || na->op != nb->op)
        return differ(err, "node", na->name);
    if (!same_wires(a, na->n_in, na->in, b, nb->n_in, nb->in) ||
        !same_wires(a, na->n_out, na->out, b, nb->n_out, nb->out))
        return differ(err, "the wiring of node", na->name);
    if (na->n_attrs != nb->n_attrs)
        return differ(err, "the number of attributes of node", na->name);
    for (int i = 0; i < na->n_attrs; i++) {
        const struct dsc_attr *other = dsc_node_attr(nb, na->attrs[i].name);

        if (!other || !same_attr(&na->attrs[i], other, err))
            return dsc_fail(err, DSC_E_INCONSISTENT, "attribute '%s' of node '%s' differs",
                            na->attrs[i].name, na->name);
    }
    return DSC_OK;
}

static enum dsc_status compare_inits(const struct dsc_graph *a, const struct dsc_graph *b,
                                     struct dsc_err *err)
{
    int n_a = 0, n_b = 0;

    for (int i = 0; i < b->n_values; i++)
        n_b += onnx_is_written_init(b, i);
    for (int i = 0; i < a->n_values; i++) {
        int other;

        if (!onnx_is_written_init(a, i))
            continue;
        n_a++;
        other = dsc_graph_find_value(b, a->values[i].name);
        if (other == DSC_NO_VALUE || !same_tensor(&a->values[i].init, &b->values[other].init))
            return differ(err, "initializer", a->values[i].name);
    }
    if (n_a != n_b)
        return dsc_fail(err, DSC_E_INCONSISTENT, "%d initializers and %d", n_a, n_b);
    return DSC_OK;
}

static enum dsc_status compare_metadata(const struct dsc_graph *a, const struct dsc_graph *b,
                                        struct dsc_err *err)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->doc, b->doc) != 0 ||
        strcmp(a->producer_name, b->producer_name) != 0 ||
        strcmp(a->producer_version, b->producer_version) != 0 || strcmp(a->domain, b->domain) != 0)
        return differ(err, "the text of graph", a->name);
    if (a->n_opsets != b->n_opsets || a->n_props != b->n_props)
        return differ(err, "the opsets or metadata of graph", a->name);
    for (int i = 0; i < a->n_opsets; i++)
        if (dsc_graph_opset(b, a->opsets[i].domain) != a->opsets[i].version)
            return differ(err, "the opset of domain", a->opsets[i].domain);
    for (int i = 0; i < a->n_props; i++) {
        const char *other = dsc_graph_prop(b, a->props[i].key);

        if (!other || strcmp(other, a->props[i].value) != 0)
            return differ(err, "the metadata", a->props[i].key);
    }
    return DSC_OK;
}

enum dsc_status dsc_graph_same(const struct dsc_graph *a, const struct dsc_graph *b,
                               struct dsc_err *err)
{
    DSC_TRY(compare_metadata(a, b, err));
    if (a->n_inputs != b->n_inputs || a->n_outputs != b->n_outputs || a->n_nodes != b->n_nodes)
        return dsc_fail(err, DSC_E_INCONSISTENT, "%d inputs, %d nodes, %d outputs and %d, %d, %d",
                        a->n_inputs, a->n_nodes, a->n_outputs, b->n_inputs, b->n_nodes,
                        b->n_outputs);
    for (int i = 0; i < a->n_inputs; i++) {
        const struct dsc_value *va = &a->values[a->inputs[i]], *vb = &b->values[b->inputs[i]];

        if (strcmp(va->name, vb->name) != 0 || !same_type(a, va, b, vb))
            return differ(err, "input", va->name);
    }
    for (int i = 0; i < a->n_outputs; i++) {
        const struct dsc_value *va = &a->values[a->outputs[i]], *vb = &b->values[b->outputs[i]];

        if (strcmp(va->name, vb->name) != 0 || va->type.dtype != vb->type.dtype ||
            va->type.rank != vb->type.rank)
            return differ(err, "output", va->name);
    }
    for (int i = 0; i < a->n_nodes; i++)
        DSC_TRY(compare_node(a, a->nodes[i], b, b->nodes[i], err));
    return compare_inits(a, b, err);
}
