/*
 * Bias correction (Nagel et al. 2019, arXiv:1906.04721, the empirical form): what quantization adds
 * to the mean of a layer's outputs is taken from its bias.
 *
 * The mean is over the tokens of the calibration rows, and of the float model's activations: each
 * layer is corrected for what its own codes do, in one pass for all. (With the inputs that
 * quantized layers give, each layer would need a pass of its own, after those before it.)
 */
#ifndef DSC_CLI_BIASRUN_H
#define DSC_CLI_BIASRUN_H

#include "quantrun.h"
#include "weights.h"

struct dsc_biasrun {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m;
    struct dsc_quantrun *q; /* with ranges */
    struct dsc_device *dev;
    const struct dsc_dataset *calib;
    int64_t batch;
    struct dsc_layer_input *inputs;
    int n_inputs;
    struct dsc_bias_layer *layers; /* [n_layers] */
    int n_layers;
};

/** Means of inputs and outputs; before weights are rounded. Errors: as dsc_session_run. */
enum dsc_status dsc_biasrun_observe(struct dsc_biasrun *r, struct dsc_err *err);
/** Biases, after FakeQuantize has been put in. */
enum dsc_status dsc_biasrun_correct(struct dsc_biasrun *r, struct dsc_err *err);
void dsc_biasrun_close(struct dsc_biasrun *r);

#endif
