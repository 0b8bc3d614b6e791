/* inspect --diff: two models, their tensors matched by name. */
#ifndef DSC_CLI_MODELDIFF_H
#define DSC_CLI_MODELDIFF_H

#include "cmd.h"
#include "formats_model.h"

/**
 * Print what differs, and fill the report: tensors in one model only, of another type or shape, or
 * with other values (largest difference, absolute and relative to the larger of both); operators by
 * their number; metadata by key; else the first difference of the graphs.
 *
 * Errors  CHECK  the models differ
 */
enum dsc_status dsc_model_diff(struct dsc_cmd *cmd, const struct dsc_model *a,
                               const struct dsc_model *b, struct dsc_err *err);

#endif
