/* Static quantization of a graph. */
#include "staticrun.h"

#include "dsc/pass.h"
#include "observe.h"
#include "steps.h"

enum dsc_status dsc_equalizerun(struct dsc_cmd *cmd, struct dsc_graph *g, struct dsc_err *err)
{
    int n_pairs;

    DSC_TRY(dsc_pass_equalize(g, &n_pairs, err));
    dsc_log_printf(&cmd->log, DSC_LOG_INFO, "equalized the channels of %d pairs of layers",
                   n_pairs);
    dsc_json_int(&cmd->json, "equalized", n_pairs);
    return DSC_OK;
}

/* Move the ranges of activations into the weights, by the channels of the rows that are observed
 * afterwards: an outlier that smoothing has not seen stretches the range of its whole tensor. */
static enum dsc_status smooth(struct dsc_staticrun *r, struct dsc_err *err)
{
    if (!r->smooth.is_auto && r->smooth.alpha == 0)
        return DSC_OK;
    r->smoothed = (struct dsc_smoothrun){.cmd = r->cmd,
                                         .m = r->m,
                                         .q = r->q,
                                         .dev = r->dev,
                                         .calib = r->calib,
                                         .batch = r->batch,
                                         .smooth = r->smooth,
                                         .format_of = r->format_of,
                                         .format_ctx = r->format_ctx,
                                         .is_gptq = r->rounding != DSC_ROUND_NEAREST};
    return dsc_smoothrun(&r->smoothed, err);
}

/* Codes of the weights; ranges: that are observed on the way, or NULL. */
static enum dsc_status round_weights(struct dsc_staticrun *r, struct dsc_ranges *ranges,
                                     struct dsc_err *err)
{
    r->w = (struct dsc_weightrun){.cmd = r->cmd,
                                  .m = r->m,
                                  .q = r->q,
                                  .dev = r->dev,
                                  .calib = r->calib,
                                  .batch = r->batch,
                                  .rounding = r->rounding,
                                  .n_steps = r->n_steps,
                                  .ranges = ranges,
                                  .is_trial = r->is_trial,
                                  .widths = r->widths,
                                  .n_widths = r->n_widths};
    DSC_TRY(dsc_weightrun_round(&r->w, err));
    r->q->rounded = &r->w;
    return DSC_OK;
}

static enum dsc_status observe_ranges(struct dsc_staticrun *r, struct dsc_err *err)
{
    struct dsc_steps steps = {.cmd = r->cmd,
                              .m = r->m,
                              .d = r->calib,
                              .batch = r->batch,
                              .dev = r->dev,
                              .ranges = r->q->ranges};
    enum dsc_status st = dsc_steps_open(&steps, err);

    if (st == DSC_OK)
        st = dsc_steps_finish(&steps, err);
    dsc_steps_close(&steps);
    return st;
}

/* What is known of a layer's input is enough to round its weights there and then, unless something
 * is to be done with them before; codes that are kept aside leave them as they are. */
enum dsc_status dsc_staticrun_observe(struct dsc_staticrun *r, struct dsc_err *err)
{
    const bool is_last = r->may_round && (!r->corrects_biases || r->n_widths > 0);

    if (r->equalizes)
        DSC_TRY(dsc_equalizerun(r->cmd, r->m->model.graph, err));
    DSC_TRY(smooth(r, err));
    DSC_TRY(dsc_observe_watch(r->q->ranges, r->m->model.graph, &r->q->plan, err));
    if (r->rounding != DSC_ROUND_NEAREST && is_last)
        return round_weights(r, r->q->ranges, err);
    return observe_ranges(r, err);
}

enum dsc_status dsc_staticrun_insert(struct dsc_staticrun *r, struct dsc_err *err)
{
    if (r->corrects_biases) {
        r->b = (struct dsc_biasrun){.cmd = r->cmd,
                                    .m = r->m,
                                    .q = r->q,
                                    .dev = r->dev,
                                    .calib = r->calib,
                                    .batch = r->batch};
        DSC_TRY(dsc_biasrun_observe(&r->b, err));
    }
    if (r->rounding != DSC_ROUND_NEAREST && !r->q->rounded)
        DSC_TRY(round_weights(r, NULL, err));
    return dsc_quantrun_insert(r->q, err);
}

enum dsc_status dsc_staticrun_correct(struct dsc_staticrun *r, struct dsc_err *err)
{
    return r->corrects_biases ? dsc_biasrun_correct(&r->b, err) : DSC_OK;
}

void dsc_staticrun_close(struct dsc_staticrun *r)
{
    dsc_biasrun_close(&r->b);
    dsc_smoothrun_close(&r->smoothed);
    dsc_weightrun_close(&r->w);
}
