/* Which initializers are trainable. */
#include "train/params.h"

#include "dsc/quantizer.h"

#include <math.h>
#include <string.h>

/* Operators through which a weight passes unchanged on its way to a parameter input. */
static const char *const pass_through[] = {
    "Transpose", "Reshape", "Identity", "Cast",   "DequantizeLinear", "Squeeze",
    "Unsqueeze", "Flatten", "Slice",    "Expand", "FakeQuantize"};

static bool is_named(const struct dsc_node *n, const char *const *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++)
        if (strcmp(n->op->onnx, names[i]) == 0)
            return true;
    return false;
}

static bool passes_through(const struct dsc_node *n, int k)
{
    return k == 0 && is_named(n, pass_through, sizeof pass_through / sizeof pass_through[0]);
}

/* An Add behind a product adds a bias, though it be one number. */
static bool is_bias_of_product(const struct dsc_graph *g, const struct dsc_node *n, int k)
{
    static const char *const products[] = {"MatMul", "Gemm", "Conv", "ConvTranspose"};
    int maker;

    if (strcmp(n->op->onnx, "Add") != 0 || n->n_in != 2 || n->in[1 - k] == DSC_NO_VALUE)
        return false;
    maker = g->values[n->in[1 - k]].producer;
    return maker >= 0 && is_named(g->nodes[maker], products, sizeof products / sizeof products[0]);
}

static unsigned mark_of_quantizer(const struct dsc_node *n, int k)
{
    const struct dsc_quantizer *how = dsc_quantizer_find(dsc_node_string(n, "quantizer", "lsq"));

    if (k == 1)
        return how && how->has_decay ? PARAM_IS_SCALE | PARAM_HAS_DECAY : PARAM_IS_SCALE;
    return k == 3 ? PARAM_IS_SCALE | PARAM_IS_OFFSET : 0;
}

unsigned params_mark_of(const struct dsc_graph *g, const struct dsc_node *n, int k,
                        const unsigned char *marks)
{
    const bool is_variadic = n->op->is_variadic_in;
    const bool is_param = is_variadic ? n->op->param_in & 1 : k < 16 && n->op->param_in >> k & 1;
    unsigned mark = 0;

    if (is_param)
        mark |= PARAM_IS_WEIGHT;
    if ((k < 16 && n->op->param_scalar_in >> k & 1) || (is_param && is_bias_of_product(g, n, k)))
        mark |= PARAM_MAY_BE_ONE;
    if (strcmp(n->op->onnx, "FakeQuantize") == 0)
        mark |= mark_of_quantizer(n, k);
    if (passes_through(n, k) && n->out[0] >= 0)
        mark |= marks[n->out[0]] & (PARAM_IS_WEIGHT | PARAM_MAY_BE_ONE);
    return mark;
}

/* From the last node back: a value feeds a parameter input if some consumer takes it as one, or
 * passes it through to where it is. Only values made of initializers alone count on the way. */
enum dsc_status params_mark(const struct dsc_graph *g, struct dsc_arena *arena,
                            unsigned char **marks, struct dsc_err *err)
{
    DSC_NEW(*marks, arena, g->n_values + 1, err);
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        const struct dsc_node *n = g->nodes[i];

        for (int k = 0; k < n->n_in; k++)
            if (n->in[k] != DSC_NO_VALUE)
                (*marks)[n->in[k]] |= (unsigned char)params_mark_of(g, n, k, *marks);
    }
    return DSC_OK;
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

/* An offset is an end of the range: it moves by about 10 learning rates of the whole. */
static double offset_lr_factor(const struct dsc_graph *g, int offset)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];

        if (strcmp(n->op->onnx, "FakeQuantize") == 0 && dsc_node_has_in(n, 3) && n->in[3] == offset)
            return scale_lr_factor(&g->values[n->in[1]].init) *
                   ldexp(1, dsc_dtype_bits(g->values[n->in[2]].init.dtype));
    }
    return 1;
}

static double lr_factor(const struct dsc_graph *g, int value, unsigned mark)
{
    if (mark & PARAM_IS_OFFSET)
        return offset_lr_factor(g, value);
    return mark & PARAM_IS_SCALE ? scale_lr_factor(&g->values[value].init) : 1;
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

/* What --unfreeze can reach: a float constant that a parameter input reads. */
static bool is_candidate(const struct dsc_value *v, unsigned mark)
{
    return dsc_tensor_is_present(&v->init) && !v->is_input && dsc_dtype_is_float(v->init.dtype) &&
           mark & (PARAM_IS_WEIGHT | PARAM_IS_SCALE) && dsc_tensor_n_elems(&v->init) > 0;
}

/* docs/adr/0003: rank 1 and more, more than one element unless the input is a weight by nature. */
bool params_is_trainable(const struct dsc_value *v, unsigned mark)
{
    const struct dsc_tensor *t = &v->init;

    if (!is_candidate(v, mark))
        return false;
    if (mark & PARAM_IS_SCALE)
        return true;
    return t->rank >= 1 && dsc_tensor_n_elems(t) >= (mark & PARAM_MAY_BE_ONE ? 1 : 2) &&
           !is_mask(t);
}

bool params_is_uniform(const struct dsc_tensor *t)
{
    const int64_t n = dsc_tensor_n_elems(t);
    const double first = n > 0 ? dsc_tensor_get_f64(t, 0) : 0;

    for (int64_t i = 1; i < n; i++)
        if (dsc_tensor_get_f64(t, i) != first)
            return false;
    return n > 0;
}

/* ---- the choice, by names of weights and of the nodes that read them ---- */

struct finder {
    const struct dsc_graph *g;
    const unsigned char *marks;
    dsc_param_choose_fn *choose;
    void *ctx;
    const char **nodes; /* [n_nodes] scratch */
    int n_nodes;
};

/* Nodes that read the value as a weight, those behind a Transpose and the like too. */
static void add_readers(struct finder *f, int value)
{
    for (int i = 0; i < f->g->n_nodes; i++) {
        const struct dsc_node *n = f->g->nodes[i];

        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] != value || !params_mark_of(f->g, n, k, f->marks))
                continue;
            if (f->n_nodes < f->g->n_nodes)
                f->nodes[f->n_nodes++] = n->name;
            if (passes_through(n, k) && n->out[0] >= 0)
                add_readers(f, n->out[0]);
            break;
        }
    }
}

static bool is_chosen(struct finder *f, int value)
{
    const struct dsc_value *v = &f->g->values[value];
    const bool is_by_rule = params_is_trainable(v, f->marks[value]);

    if (!f->choose || !is_candidate(v, f->marks[value]))
        return is_by_rule;
    f->n_nodes = 0;
    add_readers(f, value);
    return f->choose(f->ctx, v->name, f->n_nodes, f->nodes, is_by_rule);
}

enum dsc_status dsc_params_find(const struct dsc_graph *g, dsc_param_choose_fn *choose, void *ctx,
                                struct dsc_arena *arena, struct dsc_param **params, int *n_params,
                                struct dsc_err *err)
{
    struct finder f = {.g = g, .choose = choose, .ctx = ctx};
    unsigned char *marks;
    struct dsc_param *p;
    int n = 0;

    DSC_TRY(params_mark(g, arena, &marks, err));
    DSC_NEW(p, arena, g->n_values + 1, err);
    DSC_NEW(f.nodes, arena, g->n_nodes + 1, err);
    f.marks = marks;
    for (int i = 0; i < g->n_values; i++) {
        const struct dsc_value *v = &g->values[i];

        if (!is_chosen(&f, i))
            continue;
        p[n++] = (struct dsc_param){.value = i,
                                    .n_elems = dsc_tensor_n_elems(&v->init),
                                    .has_decay = v->init.rank >= 2 || marks[i] & PARAM_HAS_DECAY,
                                    .is_scale = (marks[i] & PARAM_IS_SCALE) != 0,
                                    .lr_factor = lr_factor(g, i, marks[i])};
    }
    *params = p;
    *n_params = n;
    if (n > 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE, "the model has no trainable weight");
    dsc_err_hint(err, "weights are float initializers that reach a parameter input; see --freeze");
    return DSC_E_USAGE;
}
