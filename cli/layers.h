/* Errors of quantized layers on data: what diagnose and quantize --sensitivity show. */
#ifndef DSC_CLI_LAYERS_H
#define DSC_CLI_LAYERS_H

#include "dsc/pair.h"
#include "textmodel.h"

/** Power of values and of what is wrong with them; most: the largest error. */
struct dsc_power {
    double signal, noise, most;
};

void dsc_power_add(struct dsc_power *p, const float *got, const float *want, int64_t n);
/** Signal to noise in dB, at most 200; -200 where an error is not finite. */
double dsc_power_db(const struct dsc_power *p);

/**
 * Run the first n rows of d through both graphs of the pair. Padding is left out.
 *
 * m       a model with the inputs of pair->ref
 * Memory  power[kind] [n_layers] in cmd->arena
 * Errors  INCONSISTENT  a layer has other shapes in the two graphs; as dsc_session_run
 */
enum dsc_status dsc_layers_measure(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                   const struct dsc_pair *pair, const struct dsc_dataset *d,
                                   int64_t n, int64_t batch, struct dsc_device *dev,
                                   struct dsc_power *power[DSC_N_PAIR_ERRORS], struct dsc_err *err);

#endif
