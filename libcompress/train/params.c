/* Which initializers are trainable. */
#include "dsc/train.h"

#include <math.h>
#include <string.h>

/* Operators through which a weight passes unchanged on its way to a parameter input. */
static const char *const pass_through[] = {
    "Transpose", "Reshape", "Identity", "Cast",   "DequantizeLinear", "Squeeze",
    "Unsqueeze", "Flatten", "Slice",    "Expand", "FakeQuantize"};

static bool passes_through(const struct dsc_node *n, int input)
{
    for (size_t i = 0; i < sizeof pass_through / sizeof pass_through[0]; i++)
        if (strcmp(n->op->onnx, pass_through[i]) == 0)
            return input == 0;
    return false;
}

/* From the last node back: a value feeds a parameter input if some consumer takes it as one, or
 * passes it through to where it is. Only values made of initializers alone count on the way. */
static void mark(const struct dsc_graph *g, bool *is_param, bool *is_one_param, bool *is_scale)
{
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const struct dsc_node *n = g->nodes[i];

        for (int k = 0; k < n->n_in; k++) {
            const bool is_param_in =
                n->op->is_variadic_in ? n->op->param_in & 1 : k < 16 && n->op->param_in >> k & 1;

            if (n->in[k] == DSC_NO_VALUE)
                continue;
            if (k < 16 && n->op->param_scalar_in >> k & 1)
                is_one_param[n->in[k]] = true;
            if (k == 1 && strcmp(n->op->onnx, "FakeQuantize") == 0)
                is_scale[n->in[k]] = true;
            if (is_param_in || (passes_through(n, k) && n->out[0] >= 0 && is_param[n->out[0]]))
                is_param[n->in[k]] = true;
        }
    }
}

/*
 * A learned scale moves in proportion to its size: AdamW steps by about the learning rate whatever
 * the gradient, which for a scale of 0.003 would be a leap. With the factor, a scale moves by
 * about 10 learning rates of itself per step, as a weight of size 0.1 does.
 */
static double scale_lr_factor(const struct dsc_tensor *scale)
{
    const int64_t n = dsc_tensor_n_elems(scale);
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += fabs(dsc_tensor_get_f64(scale, i));
    return 10 * sum / (double)n;
}

/* An additive mask: values that no weight has. */
static bool is_mask(const struct dsc_tensor *t)
{
    const int64_t n = dsc_tensor_n_elems(t);

    for (int64_t i = 0; i < n; i++)
        if (!(fabs(dsc_tensor_get_f64(t, i)) < 1e4))
            return true;
    return false;
}

/* docs/adr/0003: rank 1 and more, more than one element unless the input is a weight by nature. */
static bool is_trainable(const struct dsc_value *v, bool may_be_one, bool is_scale)
{
    const struct dsc_tensor *t = &v->init;

    if (!dsc_tensor_is_present(t) || v->is_input || !dsc_dtype_is_float(t->dtype))
        return false;
    if (is_scale)
        return true;
    return t->rank >= 1 && dsc_tensor_n_elems(t) >= (may_be_one ? 1 : 2) && !is_mask(t);
}

enum dsc_status dsc_params_find(const struct dsc_graph *g,
                                bool (*is_frozen)(void *ctx, const char *name), void *ctx,
                                struct dsc_arena *arena, struct dsc_param **params, int *n_params,
                                struct dsc_err *err)
{
    bool *is_param, *is_one_param, *is_scale;
    struct dsc_param *p;
    int n = 0;

    DSC_NEW(is_param, arena, g->n_values + 1, err);
    DSC_NEW(is_one_param, arena, g->n_values + 1, err);
    DSC_NEW(is_scale, arena, g->n_values + 1, err);
    DSC_NEW(p, arena, g->n_values + 1, err);
    mark(g, is_param, is_one_param, is_scale);
    for (int i = 0; i < g->n_values; i++) {
        const struct dsc_value *v = &g->values[i];

        if (!(is_param[i] || is_scale[i]) || !is_trainable(v, is_one_param[i], is_scale[i]) ||
            (is_frozen && is_frozen(ctx, v->name)))
            continue;
        p[n++] = (struct dsc_param){.value = i,
                                    .n_elems = dsc_tensor_n_elems(&v->init),
                                    .has_decay = v->init.rank >= 2,
                                    .lr_factor = is_scale[i] ? scale_lr_factor(&v->init) : 1};
    }
    *params = p;
    *n_params = n;
    if (n > 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE, "the model has no trainable weight");
    dsc_err_hint(err, "weights are float initializers that reach a parameter input; see --freeze");
    return DSC_E_USAGE;
}
