/*
 * Constant: a value of the file. ONNX Constant-13: value, value_float(s), value_int(s). Readers
 * make initializers of them; nodes are left where something else builds a graph.
 */
#include "dsc/op.h"

#include <string.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_node *n = q->node;
    struct dsc_type *out = &q->out[0];
    const struct dsc_attr *a = n->n_attrs == 1 ? &n->attrs[0] : NULL;

    if (!a)
        return dsc_fail(err, DSC_E_INCONSISTENT, "Constant has %d values", n->n_attrs);
    if (strcmp(a->name, "value") == 0 && a->kind == DSC_ATTR_TENSOR)
        dsc_type_of_tensor(out, &a->tensor);
    else if (strcmp(a->name, "value_float") == 0 && a->kind == DSC_ATTR_FLOAT)
        *out = (struct dsc_type){.dtype = DSC_F32};
    else if (strcmp(a->name, "value_int") == 0 && a->kind == DSC_ATTR_INT)
        *out = (struct dsc_type){.dtype = DSC_I64};
    else if (strcmp(a->name, "value_floats") == 0 && a->kind == DSC_ATTR_FLOATS)
        *out = (struct dsc_type){.dtype = DSC_F32, .rank = 1, .dim = {a->n}};
    else if (strcmp(a->name, "value_ints") == 0 && a->kind == DSC_ATTR_INTS)
        *out = (struct dsc_type){.dtype = DSC_I64, .rank = 1, .dim = {a->n}};
    else
        return dsc_fail(err, DSC_E_UNSUPPORTED, "Constant with attribute '%s'", a->name);
    return DSC_OK;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_attr *a = &n->attrs[0];
    const void *src = a->kind == DSC_ATTR_TENSOR   ? a->tensor.data
                      : a->kind == DSC_ATTR_FLOAT  ? (const void *)&a->f
                      : a->kind == DSC_ATTR_INT    ? (const void *)&a->i
                      : a->kind == DSC_ATTR_FLOATS ? (const void *)a->floats
                                                   : (const void *)a->ints;
    const size_t n_bytes = dsc_tensor_n_bytes(out[0]);

    if (n_bytes)
        memcpy(out[0]->data, src, n_bytes);
    return DSC_OK;
}

const struct dsc_op dsc_op_constant = {
    .onnx = "Constant",
    .n_out = 1,
    .since = 1,
    .is_host = true,
    .infer = infer,
    .forward = forward,
};
