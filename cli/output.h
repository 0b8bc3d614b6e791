/* Writing a verb's model: provenance, verification on rows, the name only at the end. */
#ifndef DSC_CLI_OUTPUT_H
#define DSC_CLI_OUTPUT_H

#include "cmd.h"
#include "textmodel.h"

/**
 * Before work starts: a path that can be written.
 * Errors  EXISTS  it exists and may not be replaced, or its folder cannot be written
 */
enum dsc_status dsc_output_place(const char *path, bool may_replace, struct dsc_err *err);
/** The same of -o, replaced with -f. */
enum dsc_status dsc_output_check(struct dsc_cmd *cmd, struct dsc_err *err);

/**
 * A model with NaN among its weights is not handed on. (Infinity may be meant: masks hold it.)
 * Errors  NONFINITE  naming the first such tensor, and how many there are
 */
enum dsc_status dsc_output_check_nan(const struct dsc_graph *g, struct dsc_err *err);

/** How to write; NULL or zeros: any size, all tensors dense. */
struct dsc_output {
    uint64_t max_bytes;
    bool is_sparse; /* of --sparse-initializers */
};

/**
 * Write m's graph to -o. The file is read back by the ordinary reader and run on up to 8 rows of d
 * (NULL: on a sentence of ours, or on drawn arrays) before it gets its name; its outputs must equal
 * those of the graph in memory bit for bit. Adds the provenance to the metadata, and "size_bytes",
 * "opset" to the report. size_bytes (may be NULL) gets what was written, external data included.
 * Nothing is written that would have more than max_bytes.
 *
 * Errors  INTERNAL  the file read back computes something else
 *         CHECK  more than max_bytes
 *         NONFINITE  NaN among the weights, or NaN or infinity among the outputs on a row
 *         as dsc_model_write
 */
enum dsc_status dsc_output_write(struct dsc_cmd *cmd, struct dsc_textmodel *m,
                                 const struct dsc_dataset *d, struct dsc_device *dev,
                                 const struct dsc_output *how, uint64_t *size_bytes,
                                 struct dsc_err *err);

/**
 * A limit of bytes as options have it: "15MB", or "60%" of `whole`. Never 0, which is no limit.
 * Errors  USAGE, naming the option
 */
enum dsc_status dsc_output_size(const char *option, const char *text, uint64_t whole,
                                uint64_t *n_bytes, struct dsc_err *err);

/** sha256 of a model: of a file's bytes, or of the files of a folder that decide what it computes.
 */
enum dsc_status dsc_provenance_hash_model(const char *path, char hex[65], struct dsc_err *err);

/** A file beside the model and its data that decides the result, for the provenance; one a name. */
void dsc_provenance_input(struct dsc_cmd *cmd, const char *name, const char sha256[65]);
enum dsc_status dsc_provenance_file(struct dsc_cmd *cmd, const char *name, const char *path,
                                    struct dsc_err *err);

/** Into a hash that tells whether a file of measurements may be used again: the version, the inputs
 *  that are known so far, and the values of n options. */
void dsc_provenance_add(struct dsc_sha256 *h, const struct dsc_cmd *cmd, const enum dsc_opt_id *ids,
                        size_t n);

/**
 * The provenance as an object in `j`, without a parent: what identifies a command on its inputs.
 * `d` and `d2` (may be NULL) are the data it reads.
 */
enum dsc_status dsc_provenance_json(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                    const struct dsc_dataset *d, const struct dsc_dataset *d2,
                                    struct dsc_json *j, struct dsc_err *err);

/**
 * Set dscompress.provenance: verb, version, the options that change results, sha256 of inputs,
 * and the provenance of the model it was made from. No clock, no path.
 */
enum dsc_status dsc_provenance_set(struct dsc_cmd *cmd, struct dsc_textmodel *m,
                                   const struct dsc_dataset *d, struct dsc_err *err);

#endif
