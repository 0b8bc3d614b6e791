/* Static quantization of a graph: rows are observed, codes chosen, FakeQuantize put in. */
#ifndef DSC_CLI_STATICRUN_H
#define DSC_CLI_STATICRUN_H

#include "biasrun.h"
#include "quantrun.h"
#include "smoothrun.h"
#include "weightrun.h"

/** --rounding, without --smooth, --bias-correction and --equalize: these may be chosen. */
struct dsc_staticrun {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m;
    struct dsc_quantrun *q; /* opened and planned */
    struct dsc_device *dev;
    struct dsc_dataset *calib; /* n = 0: none */
    int64_t batch;
    struct dsc_smooth smooth;
    bool corrects_biases, equalizes;
    bool is_trial;  /* nobody asks what the layers lose */
    bool may_round; /* while ranges are observed: layers and widths are known */
    int widths[DSC_N_LAYER_FORMATS], n_widths; /* of weights, one of which is chosen later */
    int rounding;                              /* DSC_ROUND_NEAREST, _GPTQ or _ADAROUND */
    int64_t n_steps;                           /* of AdaRound */
    dsc_format_of_fn *format_of; /* that layers will have; NULL: all as the scheme says */
    void *format_ctx;
    struct dsc_smoothrun smoothed;
    struct dsc_biasrun b;
    struct dsc_weightrun w;
};

/** Cross-layer equalization of a graph that has pairs; logged and reported. */
enum dsc_status dsc_equalizerun(struct dsc_cmd *cmd, struct dsc_graph *g, struct dsc_err *err);
/** Equalize and smooth m's graph and observe the ranges of what comes of it. Errors: as
 * dsc_session_run. */
enum dsc_status dsc_staticrun_observe(struct dsc_staticrun *r, struct dsc_err *err);
/** Round the weights and put FakeQuantize in; q's ranges are known. */
enum dsc_status dsc_staticrun_insert(struct dsc_staticrun *r, struct dsc_err *err);
/** Then, if it corrects biases. */
enum dsc_status dsc_staticrun_correct(struct dsc_staticrun *r, struct dsc_err *err);
void dsc_staticrun_close(struct dsc_staticrun *r);

#endif
