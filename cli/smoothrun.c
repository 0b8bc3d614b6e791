/* SmoothQuant of a model. */
#include "smoothrun.h"

#include "calibcheck.h"
#include "progress.h"
#include "steps.h"

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

/* In the order in which steps pass them. */
static void put_input(struct dsc_smoothrun *r, int place, const struct dsc_quant_site *x,
                      int weight)
{
    int at = r->n_inputs++;

    for (; at > 0 && r->places[at - 1] > place; at--) {
        r->places[at] = r->places[at - 1];
        r->inputs[at] = r->inputs[at - 1];
        r->weight[at] = r->weight[at - 1];
    }
    r->places[at] = place;
    r->inputs[at] = (struct dsc_layer_input){.value = x->value, .k = x->n_channels};
    r->weight[at] = weight;
}

static enum dsc_status list_inputs(struct dsc_smoothrun *r, const struct dsc_steps *steps,
                                   struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;

    DSC_NEW(r->inputs, r->cmd->arena, plan->n_sites + 1, err);
    DSC_NEW(r->places, r->cmd->arena, plan->n_sites + 1, err);
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
        if (x && n == r->n_inputs)
            put_input(r, dsc_steps_place(steps, x->value), x, plan->sites[i].value);
    }
    for (int i = 0; i < r->n_inputs; i++) {
        r->names[i] = dsc_arena_strdup(r->cmd->arena,
                                       r->m->model.graph->values[r->inputs[i].value].name, err);
        if (!r->names[i])
            return DSC_E_MEMORY;
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

/* How many of the inputs from `first` on go together: those that can be held, and those of one
 * place. */
static int n_together(const struct dsc_smoothrun *r, int first, unsigned wanted)
{
    uint64_t n_bytes = 0;

    for (int i = first; i < r->n_inputs; i++) {
        n_bytes += input_bytes(&r->inputs[i], wanted);
        if (i > first && n_bytes > DSC_STEP_BYTES && r->places[i] != r->places[i - 1])
            return i - first;
    }
    return r->n_inputs - first;
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

/* The inputs first .. first + n - 1. */
static enum dsc_status smooth_inputs(struct dsc_smoothrun *r, struct dsc_steps *steps, int first,
                                     int n, unsigned wanted, struct dsc_err *err)
{
    struct dsc_layer_input *inputs = r->inputs + first;

    for (int i = 0; i < n; i++)
        DSC_TRY(dsc_layer_input_open(&inputs[i], inputs[i].k, wanted, err));
    DSC_TRY(dsc_steps_to(steps, inputs, n, err));
    for (int i = first; i < first + n; i++) { /* the graph may have changed */
        r->inputs[i].value = dsc_quantrun_input_of(r->q, r->weight[i])->value;
        DSC_TRY(smooth_input(r, i, err));
        dsc_model_forget(r->m->model.graph);
    }
    for (int i = 0; i < n; i++) {
        dsc_heap_free(inputs[i].sample);
        dsc_heap_free(inputs[i].h);
        inputs[i].sample = inputs[i].h = NULL;
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

static enum dsc_status smooth_in_steps(struct dsc_smoothrun *r, struct dsc_steps *steps,
                                       struct dsc_err *err)
{
    const unsigned wanted =
        DSC_INPUT_LIMITS |
        (r->smooth.is_auto ? (unsigned)DSC_INPUT_GRAM | (unsigned)DSC_INPUT_SAMPLE : 0);
    struct dsc_progress progress;
    enum dsc_status st = DSC_OK;

    DSC_TRY(dsc_steps_open(steps, err));
    DSC_TRY(list_inputs(r, steps, err));
    dsc_progress_begin(r->cmd, &progress, "smooth", "inputs", 0, r->n_inputs);
    for (int first = 0, n; first < r->n_inputs && st == DSC_OK; first += n) {
        n = n_together(r, first, wanted);
        st = smooth_inputs(r, steps, first, n, wanted, err);
        if (st == DSC_OK)
            dsc_progress_update(r->cmd->progress, first + n, NULL, 0);
    }
    dsc_progress_end(r->cmd);
    return st;
}

enum dsc_status dsc_smoothrun(struct dsc_smoothrun *r, struct dsc_err *err)
{
    struct dsc_steps steps = {
        .cmd = r->cmd, .m = r->m, .d = r->calib, .batch = r->batch, .dev = r->dev};
    const enum dsc_status st = smooth_in_steps(r, &steps, err);

    dsc_steps_close(&steps);
    DSC_TRY(st);
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
