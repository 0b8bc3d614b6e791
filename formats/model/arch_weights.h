/* Weights of one file for the graph of another. */
#ifndef ARCH_WEIGHTS_H
#define ARCH_WEIGHTS_H

#include "formats_model.h"

/** A file of tensors. Errors: UNSUPPORTED, a model with a graph; as dsc_model_open */
enum dsc_status arch_open_weights(struct dsc_model *m, const char *path, struct dsc_err *err);

/** All tensors of a file, or of the shards of NAME.bin.index.json, into b (zeroed), sorted;
 *  size_bytes grows. Memory: b points into the files. */
enum dsc_status arch_read_weights(struct dsc_bundle *b, const char *path, uint64_t *size_bytes,
                                  struct dsc_err *err);

/**
 * Replace the weights of g by the tensors of the file at `path` that have their names, but for a
 * prefix that one side has. Floats are cast to the graph's type.
 *
 * Errors  INCONSISTENT  names all weights without a tensor, and all tensors of other shapes
 *         UNSUPPORTED   g has no weights
 */
enum dsc_status arch_put_weights(struct dsc_graph *g, const char *path, const struct dsc_log *log,
                                 struct dsc_err *err);

#endif
