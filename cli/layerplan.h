/* Formats of layers: sizes, plans as files, and graphs in which some layers are float. */
#ifndef DSC_CLI_LAYERPLAN_H
#define DSC_CLI_LAYERPLAN_H

#include "sensitivity.h"

extern const char *const dsc_layer_format_names[DSC_N_LAYER_FORMATS];
int dsc_layer_format_find(const char *name); /* -1: unknown */

/**
 * Bytes of layer plan->fates[fate] in a format: weights, scales and, if it is no float, the nodes
 * around it. A weight that layers share is the first one's.
 */
int64_t dsc_layer_bytes(const struct dsc_graph *g, const struct dsc_quant_plan *plan, int fate,
                        enum dsc_layer_format format);
/** Bytes that a file of m's graph will have, rounded up: constants, metadata, nodes. */
uint64_t dsc_graph_estimate_bytes(const struct dsc_textmodel *m);

/**
 * Logits of the rows with the layers quantized (simulated) that `keeps_float` does not keep; NULL:
 * all float. Sets s->n_cols. Memory: *logits as dsc_textmodel_predict.
 */
enum dsc_status dsc_layer_logits(struct dsc_sensitivity *s,
                                 bool (*keeps_float)(void *ctx, const char *node), void *ctx,
                                 const struct dsc_dataset *rows, const char *what, float **logits,
                                 struct dsc_err *err);

/** The JSON as a file, at once or not at all. Errors: MEMORY; as dsc_out_open. */
enum dsc_status dsc_layer_file_write(const char *path, const struct dsc_json *j, bool may_replace,
                                     struct dsc_err *err);

#endif
