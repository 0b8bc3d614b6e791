/* A model that is new: train new:lstm,hidden=64 --features .. */
#ifndef DSC_CLI_NEWMODEL_H
#define DSC_CLI_NEWMODEL_H

#include "cmd.h"
#include "formats_model.h"

/** Does a MODEL argument ask for a new one ("new:..")? */
bool dsc_newmodel_is(const char *arg);

/**
 * Build it for the columns of --features and --sequence: categories, mean and deviation are those
 * of the training part of --train.
 *
 * Errors  USAGE  words of the argument or the options that say nothing; no --features
 *         as dsc_data_read and dsc_recurrent_build
 */
enum dsc_status dsc_newmodel_open(struct dsc_cmd *cmd, const char *arg, struct dsc_model *m,
                                  struct dsc_err *err);

#endif
