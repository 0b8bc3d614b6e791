/* What the command line and a recipe share: finding options and binding values to them. */
#ifndef DSC_CLI_OPTVALUE_H
#define DSC_CLI_OPTVALUE_H

#include "opt.h"

/** The verb's option of that name; DSC_OPT_COUNT: it has none. */
enum dsc_opt_id dsc_opt_find(const char *name, const char *verb);
/** The name that an unknown one may have meant; verb NULL: of any verb. NULL: none is near. */
const char *dsc_opt_nearest(const char *name, const char *verb);

/**
 * Give an option a value (NULL: it has none), as one occurrence on the command line does.
 * Errors  USAGE  not what the option takes
 */
enum dsc_status dsc_opt_bind(struct dsc_cmd *cmd, enum dsc_opt_id id, const char *value,
                             struct dsc_err *err);

/** One more item; those of a comma-separated list. */
enum dsc_status dsc_opt_add_item(struct dsc_cmd *cmd, struct dsc_opt_value *v, const char *text,
                                 struct dsc_err *err);
enum dsc_status dsc_opt_add_list(struct dsc_cmd *cmd, struct dsc_opt_value *v, const char *text,
                                 struct dsc_err *err);

#endif
