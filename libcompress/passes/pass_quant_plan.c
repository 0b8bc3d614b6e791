/* Which tensors are quantized, and why the others are not. */
#include "dsc/quant.h"
#include "passes/quant_spelling.h"

#include <stdio.h>
#include <string.h>

static const struct dsc_quant_target targets[] = {
    {.name = "generic",
     .act_dtype = DSC_U8,
     .weight_dtype = DSC_I8,
     .has_int_embedding = true,
     .has_int_bias = true,
     .has_dynamic = true},
    {.name = "ort",
     .act_dtype = DSC_U8,
     .weight_dtype = DSC_I8,
     .has_int_embedding = true,
     .has_int_bias = true,
     .has_dynamic = true,
     .has_nbits = true,
     .prefers_nbits = true,
     .has_dynamic_lstm = true},
    {.name = "openvino",
     .act_dtype = DSC_U8,
     .weight_dtype = DSC_I8,
     .has_int_embedding = true,
     .has_int_bias = true,
     .has_nbits = true},
    {.name = "tensorrt", .act_dtype = DSC_I8, .weight_dtype = DSC_I8, .is_act_symmetric = true},
};

const struct dsc_quant_target *dsc_quant_target_find(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

struct planner {
    const struct dsc_graph *g;
    struct dsc_quant_plan *plan;
    dsc_quant_choose_fn *choose;
    void *ctx;
};

static struct dsc_quant_site *add_site(struct dsc_quant_plan *plan, enum dsc_site_kind kind,
                                       int value, int axis)
{
    const enum dsc_dtype dtypes[] = {[DSC_SITE_ACTIVATION] = plan->target->act_dtype,
                                     [DSC_SITE_WEIGHT] = plan->target->weight_dtype,
                                     [DSC_SITE_TABLE] = DSC_I8};

    for (int i = 0; i < plan->n_sites; i++)
        if (plan->sites[i].value == value && plan->sites[i].kind == kind)
            return &plan->sites[i];
    plan->sites[plan->n_sites] = (struct dsc_quant_site){
        .kind = kind, .value = value, .dtype = dtypes[kind], .axis = axis, .out_axis = axis};
    return &plan->sites[plan->n_sites++];
}

static bool is_f32(const struct dsc_graph *g, int value)
{
    return g->values[value].type.dtype == DSC_F32;
}

static bool is_fake(const struct dsc_graph *g, int value)
{
    return dsc_node_is(dsc_producer(g, value), "dsc", "FakeQuantize");
}

static bool is_read_by_fake(const struct dsc_graph *g, int value)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (dsc_node_is(g->nodes[i], "dsc", "FakeQuantize") && g->nodes[i]->in[0] == value)
            return true;
    return false;
}

/* Two activations (attention): the runtimes have the kernels and are slower with them. */
static const char *plan_activations(struct planner *p, const struct dsc_node *n,
                                    enum dsc_quant_choice choice)
{
    if (p->plan->target->is_dynamic)
        return "a product of two activations; dynamic is for constant weights";
    if (p->plan->target->is_weight_only)
        return "a product of two activations; weight-only is for constant weights";
    if (choice != DSC_QUANT_ASKED_FOR)
        return "a product of two activations; --include asks for it";
    if (strcmp(n->op->onnx, "MatMul") != 0)
        return "a Gemm of two activations";
    add_site(p->plan, DSC_SITE_ACTIVATION, n->in[0], -1);
    add_site(p->plan, DSC_SITE_ACTIVATION, n->in[1], -1);
    return NULL;
}

/* Products may read one activation as channels of several sizes (heads, and all of them): then it
 * has no channels of its own. */
enum { UNEVEN = -1 };

static void set_channels(struct dsc_quant_site *s, int64_t n)
{
    if (s->n_channels == 0)
        s->n_channels = n;
    else if (s->n_channels != n)
        s->n_channels = UNEVEN;
}

static bool is_along_other_axis(const struct dsc_quant_plan *plan, int weight, int axis)
{
    for (int i = 0; i < plan->n_sites; i++)
        if (plan->sites[i].kind == DSC_SITE_WEIGHT && plan->sites[i].value == weight)
            return plan->sites[i].axis != axis;
    return false;
}

/* Of a constant weight whose output channels are `axis`. */
static const char *why_not_weight(const struct planner *p, const struct dsc_node *n,
                                  const struct dsc_tensor *w, int axis)
{
    if (w->rank != 2)
        return "its weight is not a matrix";
    if (dsc_tensor_n_elems(w) == 0)
        return "its weight is empty";
    if (strcmp(n->op->onnx, "Gemm") == 0 &&
        (dsc_node_int(n, "transA", 0) || dsc_node_float(n, "alpha", 1) != 1 ||
         dsc_node_float(n, "beta", 1) != 1))
        return "a Gemm with transA, alpha or beta";
    return is_along_other_axis(p->plan, n->in[1], axis)
               ? "its weight is quantized for a product that reads it transposed"
               : NULL;
}

/* A matrix product. */
static const char *plan_product(struct planner *p, const struct dsc_node *n,
                                enum dsc_quant_choice choice)
{
    const struct dsc_tensor *w = dsc_constant(p->g, n->in[1]);
    const int axis = strcmp(n->op->onnx, "Gemm") == 0 && dsc_node_int(n, "transB", 0) ? 0 : 1;
    const int x = dsc_activation_of(p->g, n);
    const char *why;

    if (!is_f32(p->g, n->in[0]) || !is_f32(p->g, n->in[1]))
        return "its inputs are not f32";
    if (is_fake(p->g, x) || is_fake(p->g, n->in[1]))
        return "it is quantized already";
    if (dsc_constant(p->g, x))
        return "its activation is a constant";
    if (!w)
        return plan_activations(p, n, choice);
    why = why_not_weight(p, n, w, axis);
    if (why)
        return why;
    if (!p->plan->target->is_dynamic)
        set_channels(add_site(p->plan, DSC_SITE_ACTIVATION, x, -1), w->dim[1 - axis]);
    add_site(p->plan, DSC_SITE_WEIGHT, n->in[1], axis);
    return NULL;
}

/* What a convolution gives, behind the Relu that nobody else reads past: runtimes run one kernel
 * from codes to codes, and none that ends in floats. */
static void plan_output(struct planner *p, int value)
{
    const struct dsc_node *relu = NULL;

    for (int i = 0; i < p->g->n_nodes && p->g->values[value].n_uses == 1; i++)
        if (dsc_node_is(p->g->nodes[i], "", "Relu") && p->g->nodes[i]->in[0] == value)
            relu = p->g->nodes[i];
    value = relu ? relu->out[0] : value;
    if (!p->g->values[value].is_output && !is_read_by_fake(p->g, value))
        add_site(p->plan, DSC_SITE_ACTIVATION, value, -1)->is_output = true;
}

static const char *plan_conv(struct planner *p, const struct dsc_node *n,
                             enum dsc_quant_choice choice)
{
    const struct dsc_tensor *w = dsc_constant(p->g, n->in[1]);
    const int axis = dsc_node_is(n, "", "Conv") ? 0 : 1;

    if (p->plan->target->is_dynamic || p->plan->target->is_weight_only)
        return "a convolution; static and qat quantize it";
    if (axis == 1 && choice != DSC_QUANT_ASKED_FOR)
        return "a transposed convolution, for which runtimes have few kernels; --include asks for "
               "it";
    if (!is_f32(p->g, n->in[0]) || !is_f32(p->g, n->in[1]))
        return "its inputs are not f32";
    if (is_fake(p->g, n->in[0]) || is_fake(p->g, n->in[1]))
        return "it is quantized already";
    if (!w || w->rank < 3 || dsc_tensor_n_elems(w) == 0)
        return "its filters are no constants";
    if (dsc_constant(p->g, n->in[0]))
        return "its activation is a constant";
    if (axis == 1 && dsc_node_int(n, "group", 1) != 1)
        return "a transposed convolution in groups: an output channel has no axis of its own";
    if (is_along_other_axis(p->plan, n->in[1], axis))
        return "its filters are quantized along another axis";
    add_site(p->plan, DSC_SITE_ACTIVATION, n->in[0], -1);
    add_site(p->plan, DSC_SITE_WEIGHT, n->in[1], axis)->is_conv = true;
    plan_output(p, n->out[0]);
    return NULL;
}

static const char *plan_table(struct planner *p, const struct dsc_node *n)
{
    const struct dsc_tensor *w = dsc_constant(p->g, n->in[0]);

    if (!w || w->dtype != DSC_F32 || w->rank != 2 || dsc_node_int(n, "axis", 0) != 0)
        return "no lookup of rows of a constant f32 matrix";
    if (dsc_tensor_n_elems(w) == 0)
        return "its table is empty";
    if (is_read_by_fake(p->g, n->out[0]))
        return "it is quantized already";
    if (!p->plan->target->has_int_embedding)
        return "the target has no integer lookup";
    add_site(p->plan, DSC_SITE_TABLE, n->in[0], 1);
    return NULL;
}

/* Weights of a recurrent layer, each gate's rows by scales of their own. */
static const char *plan_recurrent(struct planner *p, const struct dsc_node *n)
{
    for (int k = 1; k <= 2; k++) {
        const struct dsc_tensor *w = dsc_constant(p->g, n->in[k]);

        if (is_fake(p->g, n->in[k]))
            return "it is quantized already";
        if (!w || w->dtype != DSC_F32 || w->rank != 3)
            return "its weights are no f32 constants";
    }
    if (p->plan->target->is_weight_only)
        return "weights of a recurrent layer; static, dynamic and qat quantize them";
    add_site(p->plan, DSC_SITE_WEIGHT, n->in[1], 1);
    add_site(p->plan, DSC_SITE_WEIGHT, n->in[2], 1);
    return NULL;
}

static const char *weight_name(const struct dsc_graph *g, const struct dsc_node *n)
{
    for (int k = 0; k < n->n_in; k++) {
        const struct dsc_tensor *w = dsc_constant(g, n->in[k]);

        if (w && (n->op->quant == DSC_QUANT_RECURRENT ? w->rank == 3
                  : n->op->quant == DSC_QUANT_CONV    ? w->rank > 2
                                                      : w->rank == 2))
            return g->values[n->in[k]].name;
    }
    return "";
}

static void plan_node(struct planner *p, const struct dsc_node *n)
{
    const enum dsc_quant_rule rule = n->op->quant;
    enum dsc_quant_choice choice = DSC_QUANT_CHOSEN;
    const char *why;

    if (rule != DSC_QUANT_WEIGHT && rule != DSC_QUANT_CONV && rule != DSC_QUANT_TABLE &&
        rule != DSC_QUANT_RECURRENT)
        return;
    if (rule == DSC_QUANT_TABLE && !dsc_constant(p->g, n->in[0]))
        return;
    if (p->choose)
        choice = p->choose(p->ctx, n->name, weight_name(p->g, n));
    if (choice == DSC_QUANT_LEFT_OUT)
        why = "left out by --include or --exclude";
    else
        why = rule == DSC_QUANT_WEIGHT      ? plan_product(p, n, choice)
              : rule == DSC_QUANT_CONV      ? plan_conv(p, n, choice)
              : rule == DSC_QUANT_RECURRENT ? plan_recurrent(p, n)
                                            : plan_table(p, n);
    p->plan->fates[p->plan->n_fates++] =
        (struct dsc_quant_fate){.node = n, .is_quantized = !why, .why = why ? why : ""};
}

static enum dsc_status nothing(const struct dsc_quant_plan *plan, struct dsc_err *err)
{
    char text[400] = "";
    size_t at = 0;

    for (int i = 0; i < plan->n_fates && i < 3; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "; %.60s: %.60s",
                               plan->fates[i].node->name, plan->fates[i].why);
    dsc_fail(err, DSC_E_USAGE, "nothing would be quantized%s", text);
    dsc_err_hint(err, "see --include, --exclude and --target");
    return DSC_E_USAGE;
}

enum dsc_status dsc_quant_make_plan(const struct dsc_graph *g,
                                    const struct dsc_quant_target *target,
                                    dsc_quant_choose_fn *choose, void *ctx, struct dsc_arena *arena,
                                    struct dsc_quant_plan *plan, struct dsc_err *err)
{
    struct planner p = {.g = g, .plan = plan, .choose = choose, .ctx = ctx};

    if (target->is_dynamic && !target->has_dynamic)
        return dsc_fail(err, DSC_E_UNSUPPORTED,
                        "%s has no fast kernels for ranges that are computed at run time",
                        target->name);
    *plan = (struct dsc_quant_plan){.target = target};
    DSC_NEW(plan->sites, arena, 3 * g->n_nodes + 1, err);
    DSC_NEW(plan->fates, arena, g->n_nodes + 1, err);
    for (int i = 0; i < g->n_nodes; i++)
        plan_node(&p, g->nodes[i]);
    for (int i = 0; i < plan->n_sites; i++) {
        struct dsc_quant_site *s = &plan->sites[i];

        s->n_channels = s->n_channels == UNEVEN ? 0 : s->n_channels;
        DSC_NEW(s->channel_max, arena, s->n_channels, err);
    }
    return plan->n_sites > 0 ? DSC_OK : nothing(plan, err);
}
