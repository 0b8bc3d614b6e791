/* Bias correction of a model. */
#include "biasrun.h"

#include "observe.h"

#include <math.h>
#include <string.h>

struct dsc_bias_layer {
    const struct dsc_quant_site *weight;
    const struct dsc_layer_input *in;
    int64_t n;
    double *mean; /* [n] of the float layer's outputs, without its bias */
};

static enum dsc_status add_layer(struct dsc_biasrun *r, const struct dsc_quant_site *weight,
                                 const struct dsc_quant_site *x, struct dsc_err *err)
{
    const struct dsc_quant_target *t = &r->q->target;
    const char *name = r->m->model.graph->values[x->value].name;
    struct dsc_layer_input *in = r->inputs;
    double low, high;

    while (in < r->inputs + r->n_inputs && in->value != x->value)
        in++;
    r->layers[r->n_layers++] = (struct dsc_bias_layer){.weight = weight, .in = in};
    if (in < r->inputs + r->n_inputs)
        return DSC_OK;
    if (!dsc_quantrun_range(r->q, name, &low, &high))
        return dsc_fail(err, DSC_E_INCONSISTENT, "no range was observed for '%s'", name);
    r->n_inputs++;
    in->value = x->value;
    in->codes = dsc_act_codes_of(t->act_dtype, t->is_act_symmetric, low, high);
    return dsc_layer_input_open(in, x->n_channels, DSC_INPUT_MEANS, err);
}

static enum dsc_status list_layers(struct dsc_biasrun *r, struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;

    DSC_NEW(r->inputs, r->cmd->arena, plan->n_sites + 1, err);
    DSC_NEW(r->layers, r->cmd->arena, plan->n_sites + 1, err);
    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_quant_site *s = &plan->sites[i], *x;

        if (s->kind == DSC_SITE_WEIGHT && (x = dsc_quantrun_input_of(r->q, s->value)))
            DSC_TRY(add_layer(r, s, x, err));
    }
    return DSC_OK;
}

/* The value that the code of a weight has; limit: the largest code. */
static float round_weight(float w, float scale, float limit)
{
    return fminf(fmaxf(rintf(w / scale), -limit), limit) * scale;
}

/* sum over k of w [n,k] times the mean of `sum`; scales [n] or [1]: of w's codes, NULL: of w. */
static void mean_outputs(const float *w, int64_t n, const struct dsc_tensor *scales, float limit,
                         const struct dsc_layer_input *in, const double *sum, double *mean)
{
    for (int64_t i = 0; i < n; i++) {
        const float scale =
            scales ? ((const float *)scales->data)[dsc_tensor_n_elems(scales) == 1 ? 0 : i] : 1;

        mean[i] = 0;
        for (int64_t k = 0; k < in->k; k++) {
            const float v = w[i * in->k + k];

            mean[i] += (double)(scales ? round_weight(v, scale, limit) : v) *
                       (sum[k] / (double)in->n_tokens);
        }
    }
}

static enum dsc_status float_means(struct dsc_biasrun *r, struct dsc_bias_layer *l,
                                   struct dsc_err *err)
{
    struct dsc_tensor rows = {0};

    if (l->in->n_tokens == 0)
        return dsc_fail(err, DSC_E_EMPTY, "'%s' was not computed for any calibration row",
                        r->m->model.graph->values[l->in->value].name);
    DSC_TRY(dsc_weight_rows(r->m->model.graph, l->weight, &rows, err));
    l->n = rows.dim[0];
    l->mean = dsc_heap_alloc((size_t)l->n + 1, sizeof *l->mean, err);
    if (l->mean)
        mean_outputs(rows.data, l->n, NULL, 0, l->in, l->in->sum, l->mean);
    dsc_tensor_clear(&rows);
    return l->mean ? DSC_OK : DSC_E_MEMORY;
}

enum dsc_status dsc_biasrun_observe(struct dsc_biasrun *r, struct dsc_err *err)
{
    DSC_TRY(list_layers(r, err));
    DSC_TRY(dsc_observe_inputs(r->cmd, r->m, r->calib, (int64_t)r->calib->n, r->batch, r->dev,
                               r->inputs, r->n_inputs, err));
    for (int i = 0; i < r->n_layers; i++)
        DSC_TRY(float_means(r, &r->layers[i], err));
    return DSC_OK;
}

static const struct dsc_tensor *scales_of(const struct dsc_graph *g, int weight)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];

        if (n->op && strcmp(n->op->onnx, "FakeQuantize") == 0 && n->in[0] == weight)
            return &g->values[n->in[1]].init;
    }
    return NULL;
}

static enum dsc_status correct_layer(struct dsc_biasrun *r, struct dsc_bias_layer *l, bool *is_done,
                                     struct dsc_err *err)
{
    struct dsc_graph *g = r->m->model.graph;
    const struct dsc_tensor *scale = scales_of(g, l->weight->value);
    const float limit = ldexpf(1, dsc_dtype_bits(l->weight->dtype) - 1) - 1;
    struct dsc_tensor rows = {0};
    double *excess;
    enum dsc_status st;

    *is_done = false;
    if (!scale)
        return DSC_OK;
    excess = dsc_heap_alloc((size_t)l->n + 1, sizeof *excess, err);
    st = excess ? dsc_weight_rows(g, l->weight, &rows, err) : DSC_E_MEMORY;
    if (st == DSC_OK) {
        mean_outputs(rows.data, l->n, scale, limit, l->in, l->in->code_sum, excess);
        for (int64_t i = 0; i < l->n; i++)
            excess[i] -= l->mean[i];
        st = dsc_quant_shift_bias(g, l->weight->value, excess, is_done, err);
    }
    dsc_tensor_clear(&rows);
    dsc_heap_free(excess);
    return st;
}

enum dsc_status dsc_biasrun_correct(struct dsc_biasrun *r, struct dsc_err *err)
{
    int n = 0;
    bool is_done;

    for (int i = 0; i < r->n_layers; i++) {
        DSC_TRY(correct_layer(r, &r->layers[i], &is_done, err));
        n += is_done;
    }
    dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "corrected the biases of %d of %d layers", n,
                   r->n_layers);
    dsc_json_int(&r->cmd->json, "biases_corrected", n);
    DSC_TRY(dsc_graph_sort(r->m->model.graph, true, err));
    return dsc_graph_verify(r->m->model.graph, err);
}

void dsc_biasrun_close(struct dsc_biasrun *r)
{
    for (int i = 0; i < r->n_inputs; i++)
        dsc_layer_input_close(&r->inputs[i]);
    for (int i = 0; i < r->n_layers; i++)
        dsc_heap_free(r->layers[i].mean);
}
