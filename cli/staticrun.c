/* Static quantization of a graph. */
#include "staticrun.h"

#include "observe.h"

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
                                         .is_gptq = r->rounding == DSC_ROUND_GPTQ};
    return dsc_smoothrun(&r->smoothed, err);
}

enum dsc_status dsc_staticrun_observe(struct dsc_staticrun *r, struct dsc_err *err)
{
    DSC_TRY(smooth(r, err));
    DSC_TRY(dsc_observe_watch(r->q->ranges, r->m->model.graph, &r->q->plan, err));
    return dsc_observe_run(r->cmd, r->m, r->calib, (int64_t)r->calib->n, r->batch, r->dev,
                           r->q->ranges, err);
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
    if (r->rounding == DSC_ROUND_GPTQ) {
        r->w = (struct dsc_weightrun){.cmd = r->cmd,
                                      .m = r->m,
                                      .q = r->q,
                                      .dev = r->dev,
                                      .calib = r->calib,
                                      .batch = r->batch,
                                      .is_trial = r->is_trial,
                                      .known = r->smoothed.inputs,
                                      .n_known = r->smoothed.has_grams ? r->smoothed.n_inputs : 0};
        DSC_TRY(dsc_weightrun_round(&r->w, err));
        r->q->rounded = &r->w;
    }
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
