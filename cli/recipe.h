/* Options that stand in a recipe or behind --set. */
#ifndef DSC_CLI_RECIPE_H
#define DSC_CLI_RECIPE_H

#include "cmd.h"

/**
 * Give the verb's options the values of --set, then those of --recipe, where the command line (and
 * --set) leave an option alone. cmd->row is the verb.
 *
 * Errors  USAGE   --set: an unknown option, or a value that it does not take
 *         RECIPE  the same in the recipe, with file and line; as dsc_recipe_read
 */
enum dsc_status dsc_recipe_apply(struct dsc_cmd *cmd, struct dsc_err *err);

/**
 * Print the verb's options as a recipe: those with a value, and the defaults of others as comments.
 * Errors  ENCODING  a value that is not UTF-8
 */
enum dsc_status dsc_recipe_print(struct dsc_cmd *cmd, struct dsc_err *err);

#endif
