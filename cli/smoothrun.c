/* SmoothQuant of a model. */
#include "smoothrun.h"

#include "calibcheck.h"
#include "observe.h"
#include "weightrun.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum dsc_status dsc_smooth_parse(const char *text, struct dsc_smooth *smooth, struct dsc_err *err)
{
    char *end;

    *smooth = (struct dsc_smooth){.is_auto = strcmp(text, "auto") == 0};
    if (smooth->is_auto)
        return DSC_OK;
    errno = 0;
    smooth->alpha = strtod(text, &end);
    if (errno == 0 && end != text && *end == '\0' && smooth->alpha >= 0 && smooth->alpha <= 1)
        return DSC_OK;
    return dsc_fail(err, DSC_E_USAGE, "--smooth is auto or a number from 0 to 1, not '%s'", text);
}

/* ---- which inputs, and how much is held of them ---- */

static enum dsc_status list_inputs(struct dsc_smoothrun *r, struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;

    DSC_NEW(r->inputs, r->cmd->arena, plan->n_sites + 1, err);
    DSC_NEW(r->weight, r->cmd->arena, plan->n_sites + 1, err);
    DSC_NEW(r->names, r->cmd->arena, plan->n_sites + 1, err);
    DSC_NEW(r->alphas, r->cmd->arena, plan->n_sites + 1, err);
    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_quant_site *x = plan->sites[i].kind == DSC_SITE_WEIGHT
                                             ? dsc_quantrun_input_of(r->q, plan->sites[i].value)
                                             : NULL;
        int n = 0;

        while (x && n < r->n_inputs && r->inputs[n].value != x->value)
            n++;
        if (!x || n < r->n_inputs)
            continue;
        r->inputs[n] = (struct dsc_layer_input){.value = x->value, .k = x->n_channels};
        r->weight[n] = plan->sites[i].value;
        r->names[n] =
            dsc_arena_strdup(r->cmd->arena, r->m->model.graph->values[x->value].name, err);
        if (!r->names[n])
            return DSC_E_MEMORY;
        r->n_inputs++;
    }
    return DSC_OK;
}

static uint64_t input_bytes(const struct dsc_layer_input *in, unsigned wanted)
{
    const uint64_t k = (uint64_t)in->k;

    return ((wanted & DSC_INPUT_GRAM ? k * k : 0) +
            (wanted & DSC_INPUT_SAMPLE ? k * DSC_SAMPLE_TOKENS : 0)) *
           sizeof(float);
}

/* The inputs from `first` on that can be held at once; at least one. */
static int n_at_once(const struct dsc_smoothrun *r, int first, unsigned wanted)
{
    uint64_t n_bytes = 0;
    int i = first;

    while (i < r->n_inputs) {
        n_bytes += input_bytes(&r->inputs[i], wanted);
        if (i > first && n_bytes > DSC_INPUTS_MAX_BYTES)
            break;
        i++;
    }
    return i - first;
}

/* ---- one input ---- */

static enum dsc_status search(struct dsc_smoothrun *r, int i, double *alpha, struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;
    const struct dsc_graph *g = r->m->model.graph;
    const float **w;
    int64_t *n_rows;
    struct dsc_tensor *rows;
    int *bits;
    struct dsc_smooth_job job = {.in = &r->inputs[i],
                                 .weight_limit = r->q->weight_limit,
                                 .observer = r->q->observer,
                                 .param = r->q->param,
                                 .is_per_tensor = r->q->is_per_tensor,
                                 .is_gptq = r->is_gptq,
                                 .code = r->q->target.act_dtype,
                                 .is_symmetric = r->q->target.is_act_symmetric};
    enum dsc_status st = DSC_OK;

    DSC_NEW(w, r->cmd->arena, plan->n_sites, err);
    DSC_NEW(n_rows, r->cmd->arena, plan->n_sites, err);
    DSC_NEW(rows, r->cmd->arena, plan->n_sites, err);
    DSC_NEW(bits, r->cmd->arena, plan->n_sites, err);
    job.w = w;
    job.n_rows = n_rows;
    job.bits = bits;
    for (int k = 0; k < plan->n_sites; k++) {
        const int n = job.n_weights;

        if (plan->sites[k].kind != DSC_SITE_WEIGHT ||
            !dsc_quant_reads(g, plan, plan->sites[k].value, r->inputs[i].value))
            continue;
        DSC_TRY_OUT(st, dsc_weight_rows(g, &plan->sites[k], &rows[n], err));
        w[n] = rows[n].data;
        n_rows[n] = rows[n].dim[0];
        bits[n] = dsc_quantrun_weight_bits(r->q, &plan->sites[k], r->format_of, r->format_ctx);
        job.n_weights++;
    }
    st = dsc_smooth_search(r->dev, &job, alpha, err);
out:
    for (int n = 0; n < job.n_weights; n++)
        dsc_tensor_clear(&rows[n]);
    return st == DSC_OK ? DSC_OK : dsc_err_where(err, "'%s'", r->names[i]);
}

static enum dsc_status smooth_input(struct dsc_smoothrun *r, int i, struct dsc_err *err)
{
    struct dsc_layer_input *in = &r->inputs[i];
    struct dsc_quant_site *x = dsc_quantrun_input_of(r->q, r->weight[i]);
    double alpha = r->smooth.alpha, *s;
    bool is_done;
    enum dsc_status st;

    DSC_TRY(dsc_cmd_stopped(r->cmd, err));
    if (in->n_tokens == 0)
        return dsc_fail(err, DSC_E_EMPTY, "'%s' was not computed for any calibration row",
                        r->names[i]);
    if (r->smooth.is_auto)
        DSC_TRY(search(r, i, &alpha, err));
    for (int64_t k = 0; k < in->k; k++)
        x->channel_max[k] = fmaxf(-in->low[k], in->high[k]);
    s = dsc_heap_alloc((size_t)in->k + 1, sizeof *s, err);
    if (!s)
        return DSC_E_MEMORY;
    st = dsc_quant_smooth(r->m->model.graph, &r->q->plan, x, alpha, s, &is_done, err);
    if (st == DSC_OK && is_done)
        dsc_layer_input_scale(in, s);
    r->alphas[i] = is_done ? alpha : (double)NAN;
    dsc_heap_free(s);
    return st;
}

/* ---- all ---- */

/* The inputs first .. first + n - 1; what is held of them goes unless GPTQ can have it. */
static enum dsc_status smooth_inputs(struct dsc_smoothrun *r, int first, int n, unsigned wanted,
                                     struct dsc_err *err)
{
    struct dsc_layer_input *inputs = r->inputs + first;

    for (int i = first; i < first + n; i++) /* the graph has changed */
        r->inputs[i].value = dsc_quantrun_input_of(r->q, r->weight[i])->value;
    for (int i = 0; i < n; i++)
        DSC_TRY(dsc_layer_input_open(&inputs[i], inputs[i].k, wanted, err));
    DSC_TRY(dsc_observe_inputs(r->cmd, r->m, r->calib, (int64_t)r->calib->n, r->batch, r->dev,
                               inputs, n, err));
    for (int i = 0; i < n; i++)
        DSC_TRY(smooth_input(r, first + i, err));
    for (int i = 0; i < n; i++) {
        dsc_heap_free(inputs[i].sample);
        inputs[i].sample = NULL;
        if (r->has_grams)
            continue;
        dsc_heap_free(inputs[i].h);
        inputs[i].h = NULL;
    }
    DSC_TRY(dsc_graph_sort(r->m->model.graph, true, err));
    DSC_TRY(dsc_graph_verify(r->m->model.graph, err));
    return dsc_quantrun_plan(r->q, err);
}

static void report(const struct dsc_smoothrun *r)
{
    struct dsc_json *j = &r->cmd->json;
    int n = 0;

    for (int i = 0; i < r->n_inputs; i++)
        n += !isnan(r->alphas[i]);
    dsc_log_printf(&r->cmd->log, DSC_LOG_INFO,
                   "smoothed %d activations by the channels of %zu rows (--smooth %s)", n,
                   r->calib->n, dsc_opt_text(r->cmd, DSC_OPT_smooth));
    dsc_json_int(j, "smoothed", n);
    if (!r->smooth.is_auto)
        return;
    dsc_json_array(j, "alphas");
    for (int i = 0; i < r->n_inputs; i++) {
        if (isnan(r->alphas[i]))
            continue;
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", r->names[i]);
        dsc_json_float(j, "alpha", r->alphas[i]);
        dsc_json_end(j);
    }
    dsc_json_end(j);
}

enum dsc_status dsc_smoothrun(struct dsc_smoothrun *r, struct dsc_err *err)
{
    const unsigned grams = r->is_gptq || r->smooth.is_auto ? DSC_INPUT_GRAM : 0;
    unsigned wanted =
        DSC_INPUT_LIMITS | grams | (unsigned)(r->smooth.is_auto ? DSC_INPUT_SAMPLE : 0);

    DSC_TRY(list_inputs(r, err));
    r->has_grams = r->is_gptq && n_at_once(r, 0, wanted) == r->n_inputs;
    if (!r->has_grams && !r->smooth.is_auto)
        wanted &= ~(unsigned)DSC_INPUT_GRAM;
    for (int first = 0, n; first < r->n_inputs; first += n) {
        n = n_at_once(r, first, wanted);
        DSC_TRY(smooth_inputs(r, first, n, wanted, err));
    }
    for (int i = 0; i < r->n_inputs; i++)
        r->inputs[i].value = dsc_quantrun_input_of(r->q, r->weight[i])->value;
    dsc_calibcheck_channels(r->cmd, r->inputs, r->names, r->n_inputs);
    report(r);
    return DSC_OK;
}

void dsc_smoothrun_close(struct dsc_smoothrun *r)
{
    for (int i = 0; i < r->n_inputs; i++)
        dsc_layer_input_close(&r->inputs[i]);
    r->n_inputs = 0;
}
