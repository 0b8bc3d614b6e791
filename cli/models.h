/* What several verbs do with their MODEL arguments: open the model, open the device. */
#ifndef DSC_CLI_MODELS_H
#define DSC_CLI_MODELS_H

#include "cmd.h"
#include "dsc/device.h"
#include "formats_model.h"

/**
 * A model with a graph; warnings go to the verb's log. The first argument is read onto the graph of
 * --arch, where that is given. Memory: dsc_model_close.
 */
enum dsc_status dsc_cmd_model(struct dsc_cmd *cmd, const char *path, struct dsc_model *m,
                              struct dsc_err *err);

/**
 * The device of --device with the threads of -j, at the level of --cpu or --deterministic.
 *
 * Memory  dsc_device_close
 * Errors  DEVICE  no such device; a level above the processor's; USAGE  levels that contradict
 */
enum dsc_status dsc_cmd_device(struct dsc_cmd *cmd, struct dsc_device **dev, struct dsc_err *err);
/** The same with so many threads, for a verb that tries several numbers. */
enum dsc_status dsc_cmd_device_of(struct dsc_cmd *cmd, int n_threads, struct dsc_device **dev,
                                  struct dsc_err *err);

/** "f32[batch,128]" of a type; symbols by their names in g, "?" where unknown. Returns text. */
char *dsc_type_text(const struct dsc_graph *g, const struct dsc_type *type, char *text,
                    size_t n_bytes);

#endif
