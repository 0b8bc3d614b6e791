/* Options that stand in a recipe or behind --set. */
#ifndef DSC_CLI_RECIPE_H
#define DSC_CLI_RECIPE_H

#include "cmd.h"
#include "formats_recipe.h"

/**
 * Give the verb's options the values of --set (NAME?=VALUE: it need not have an effect), then those
 * of --recipe, where the command line (and
 * --set) leave an option alone. cmd->row is the verb.
 *
 * Errors  USAGE   --set: an unknown option, or a value that it does not take
 *         RECIPE  the same in the recipe, with file and line; as dsc_recipe_read
 */
enum dsc_status dsc_recipe_apply(struct dsc_cmd *cmd, struct dsc_err *err);

#define DSC_RECIPE_HEAD "# dscompress " DSC_VERSION "; defaults are comments\n"

/**
 * Print the verb's options as a recipe: those with a value and where it comes from, and the
 * defaults of others as comments.
 * Errors  ENCODING  a value that is not UTF-8
 */
enum dsc_status dsc_recipe_print(struct dsc_cmd *cmd, struct dsc_err *err);
/** The mapping of one verb, behind `head`; stage: its name, NULL: it is none. */
enum dsc_status dsc_recipe_print_options(struct dsc_cmd *cmd, const char *head, const char *indent,
                                         const char *stage, FILE *f, struct dsc_err *err);

/**
 * Give a stage its options where it has none yet: those of its own mapping, then of its verb's,
 * then those at the top that the verb has: these count as used, they need not have an effect.
 * stage->row and arena are set; `args` and `name` are the caller's.
 *
 * Errors  RECIPE, with file and place
 */
enum dsc_status dsc_recipe_stage(struct dsc_cmd *stage, const struct dsc_recipe *r,
                                 const struct dsc_recipe_section *s, const char *path,
                                 struct dsc_err *err);
/** One that says what a run does with options: no recipe holds it. */
bool dsc_recipe_is_outside(enum dsc_opt_id id);
/** One value; words of flags are true and false where they are plain. Errors: USAGE. */
enum dsc_status dsc_recipe_bind(struct dsc_cmd *cmd, enum dsc_opt_id id, const char *text,
                                bool is_plain, struct dsc_err *err);
/** A key that a stage has beside its verb's options. */
bool dsc_recipe_is_of_stage(const char *name);
/** What is outside of the stages: is it of a verb, is it of use? Errors: RECIPE. */
enum dsc_status dsc_recipe_check_rest(const struct dsc_cmd *cmd, const struct dsc_recipe *r,
                                      const char *path, struct dsc_err *err);
/** An error of a value, as one of the recipe's, with its place. */
enum dsc_status dsc_recipe_fail_at(struct dsc_err *err, const char *path,
                                   struct dsc_recipe_place at);

#endif
