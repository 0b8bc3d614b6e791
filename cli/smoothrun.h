/* SmoothQuant of a model: rows are observed, an alpha for each activation, the graph changed. */
#ifndef DSC_CLI_SMOOTHRUN_H
#define DSC_CLI_SMOOTHRUN_H

#include "quantrun.h"
#include "weights.h"

/** --smooth: a number, or auto. */
struct dsc_smooth {
    bool is_auto;
    double alpha; /* 0: activations stay as they are */
};

/** Errors: USAGE. */
enum dsc_status dsc_smooth_parse(const char *text, struct dsc_smooth *smooth, struct dsc_err *err);

struct dsc_smoothrun {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m;
    struct dsc_quantrun *q; /* planned; planned anew afterwards */
    struct dsc_device *dev;
    const struct dsc_dataset *calib;
    int64_t batch;
    struct dsc_smooth smooth;
    bool is_gptq;                /* weights will be rounded by GPTQ */
    dsc_format_of_fn *format_of; /* that layers will have; NULL: all as the scheme says */
    void *format_ctx;
    struct dsc_layer_input *inputs; /* afterwards their limits before smoothing */
    int *places;                    /* [n_inputs] in the order of steps */
    int n_inputs;
    int *weight;        /* [n_inputs] one that reads it */
    const char **names; /* [n_inputs] before smoothing */
    double *alphas;     /* [n_inputs]; NaN: others read its weights, it is as it was */
};

/** Errors: as dsc_session_run and dsc_smooth_search, with the activation named. */
enum dsc_status dsc_smoothrun(struct dsc_smoothrun *r, struct dsc_err *err);
void dsc_smoothrun_close(struct dsc_smoothrun *r);

#endif
