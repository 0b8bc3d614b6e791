/* The verbs train and distill, from the options to the file that is written. */
#ifndef DSC_CLI_FINETUNE_H
#define DSC_CLI_FINETUNE_H

#include "trainrun.h"

enum dsc_status dsc_finetune_run(struct dsc_cmd *cmd, struct dsc_err *err);

#endif
