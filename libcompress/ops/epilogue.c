/* Epilogues of lowered operators; see epilogue.h. */
#include "ops/epilogue.h"

#include "kernels/kernels.h"

#include <string.h>

static const struct {
    const char *onnx, *act;
    enum dsc_map_fn fn;
} acts[] = {
    {"Gelu", "Gelu", DSC_MAP_gelu}, {"Gelu", "GeluTanh", DSC_MAP_gelu_tanh},
    {"Relu", "Relu", DSC_MAP_relu}, {"Sigmoid", "Sigmoid", DSC_MAP_sigmoid},
    {"Tanh", "Tanh", DSC_MAP_tanh},
};

enum { N_ACTS = sizeof acts / sizeof acts[0] };

const char *dsc_epilogue_act(const struct dsc_node *n)
{
    const bool is_tanh = strcmp(dsc_node_string(n, "approximate", "none"), "tanh") == 0;

    if (strcmp(dsc_op_domain(n->op), "") != 0)
        return NULL;
    for (int i = 0; i < N_ACTS; i++)
        if (strcmp(n->op->onnx, acts[i].onnx) == 0)
            return acts[is_tanh && i == 0 ? 1 : i].act;
    return NULL;
}

static int act_of(const struct dsc_node *n)
{
    const char *name = dsc_node_string(n, "act", NULL);

    for (int i = 0; name && i < N_ACTS; i++)
        if (strcmp(name, acts[i].act) == 0)
            return (int)acts[i].fn;
    return -1;
}

static bool is_other_than_one(const struct dsc_type *t)
{
    return t->rank > 1 || (t->rank == 1 && t->dim[0] >= 0 && t->dim[0] != 1);
}

enum dsc_status dsc_epilogue_infer(const struct dsc_infer *q, int first, int64_t n_cols,
                                   enum dsc_dtype *code, struct dsc_err *err)
{
    const struct dsc_node *n = q->node;
    const bool has_scale = dsc_node_has_in(n, first + 1), has_zero = dsc_node_has_in(n, first + 2);
    const struct dsc_type *mul = dsc_node_has_in(n, first) ? &q->in[first] : NULL;

    *code = DSC_DTYPE_NONE;
    if (dsc_node_attr(n, "act") && act_of(n) < 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "act \"%s\"", dsc_node_string(n, "act", ""));
    if (mul && dsc_type_is_known(mul) && n_cols >= 0 &&
        (mul->dtype != DSC_F32 || mul->rank != 1 || mul->dim[0] != n_cols))
        return dsc_fail(err, DSC_E_SHAPE, "the factors are not f32 [%lld]", (long long)n_cols);
    if (has_scale != has_zero)
        return dsc_fail(err, DSC_E_INCONSISTENT, "a scale without a zero point, or the reverse");
    if (!has_scale)
        return DSC_OK;
    if (is_other_than_one(&q->in[first + 1]) || is_other_than_one(&q->in[first + 2]))
        return dsc_fail(err, DSC_E_SHAPE, "the codes have more than one scale");
    *code = q->in[first + 2].dtype;
    if (!dsc_is_activation_code(*code) && *code != DSC_DTYPE_NONE)
        return dsc_fail(err, DSC_E_TYPE, "codes of type %s", dsc_dtype_text(*code));
    return DSC_OK;
}

struct dsc_epilogue dsc_epilogue_of(const struct dsc_node *n, const struct dsc_tensor *const *in,
                                    int first)
{
    struct dsc_epilogue ep = {.act = act_of(n)};

    if (dsc_node_has_in(n, first))
        ep.mul = in[first];
    if (dsc_node_has_in(n, first + 1)) {
        ep.scale = (float)dsc_tensor_get_f64(in[first + 1], 0);
        ep.zero = (int32_t)dsc_tensor_get_i64(in[first + 2], 0);
    }
    return ep;
}

int64_t dsc_packed_flops(const struct dsc_infer *q)
{
    int64_t n = 2 * dsc_node_int(q->node, "k", 0);

    if (!dsc_type_is_known(&q->out[0]))
        return -1;
    for (int i = 0; i < q->out[0].rank; i++)
        n *= q->out[0].dim[i];
    return n;
}

static bool is_known_other(const struct dsc_type *t, int64_t n)
{
    return dsc_type_is_known(t) && (t->rank != 1 || t->dim[0] != n);
}

enum dsc_status dsc_packed_check(const struct dsc_infer *q, int64_t k, int64_t n,
                                 struct dsc_err *err)
{
    const struct dsc_type *scale = &q->in[5];
    const bool is_one =
        dsc_type_is_known(scale) && (scale->rank == 0 || (scale->rank == 1 && scale->dim[0] == 1));
    size_t n_bytes;

    if (k < 0 || k > DSC_QGEMM_K_MAX || !dsc_qgemm_packed_bytes(k, n, &n_bytes) ||
        is_known_other(&q->in[1], (int64_t)n_bytes))
        return dsc_fail(err, DSC_E_SHAPE, "the packed weight is not %lld x %lld", (long long)k,
                        (long long)n);
    if (!is_one && is_known_other(scale, n))
        return dsc_fail(err, DSC_E_SHAPE, "the scales are not one or %lld", (long long)n);
    if (dsc_node_has_in(q->node, DSC_PACKED_BIAS) && is_known_other(&q->in[DSC_PACKED_BIAS], n))
        return dsc_fail(err, DSC_E_SHAPE, "the bias is not [%lld]", (long long)n);
    return DSC_OK;
}
