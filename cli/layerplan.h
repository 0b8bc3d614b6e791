/* Formats of layers: sizes, plans as files, and graphs in which some layers are float. */
#ifndef DSC_CLI_LAYERPLAN_H
#define DSC_CLI_LAYERPLAN_H

#include "sensitivity.h"

extern const char *const dsc_layer_format_names[DSC_N_LAYER_FORMATS];
int dsc_layer_format_find(const char *name); /* -1: unknown */
/** A dsc_format_of_fn: all layers in the format that ctx points to. */
enum dsc_layer_format dsc_layer_format_same(void *ctx, const char *node);

/**
 * Fill size_bytes of each layer and format, and s->base_bytes, so that their sum is the file's size
 * or a little more. The layers are in the order of q's plan.
 * Errors  CHECK  the target is smaller than all layers quantized; the nearest is said
 */
enum dsc_status dsc_layer_sizes(struct dsc_sensitivity *s, struct dsc_err *err);

/**
 * Logits of the rows with the layers in their formats (simulated); format_of NULL: all float. Sets
 * s->n_cols. Memory: *logits as dsc_textmodel_predict.
 */
enum dsc_status dsc_layer_logits(struct dsc_sensitivity *s, dsc_format_of_fn *format_of, void *ctx,
                                 const struct dsc_dataset *rows, const char *what, float **logits,
                                 struct dsc_err *err);

/** The last n rows of d into rows; d loses them. */
void dsc_sensitivity_cut_off(struct dsc_dataset *d, size_t n, struct dsc_dataset *rows);

/** The JSON as a file, at once or not at all. Errors: MEMORY; as dsc_out_open. */
enum dsc_status dsc_layer_file_write(const char *path, const struct dsc_json *j, bool may_replace,
                                     struct dsc_err *err);

#endif
