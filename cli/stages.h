/* The stages of a pipeline: commands with their options, as the program would be called. */
#ifndef DSC_CLI_STAGES_H
#define DSC_CLI_STAGES_H

#include "cmd.h"
#include "formats_recipe.h"

struct dsc_stage {
    const char *name; /* the recipe's, else the verb's; no two are equal */
    struct dsc_recipe_place at;
    struct dsc_cmd cmd;      /* with row, args and options bound */
    const char *output;      /* of -o; NULL: it has none */
    const char *const *argv; /* [argc + 1] verb, arguments, options; NULL ends it */
    int argc;
};

/**
 * Read the stages of the recipe cmd->args[0]. A stage without `args` reads what the one before has
 * written. Options come, the first that is there, from cmd's own that every verb has (--quiet ..),
 * -j, --device and --seed, from --set [STAGE.]NAME=VALUE, and from the recipe (dsc_recipe_stage).
 * Each stage has been parsed as a command line: what it needs is there.
 *
 * Memory  in cmd->arena
 * Errors  RECIPE; USAGE of --set; as dsc_recipe_read
 */
enum dsc_status dsc_stages_read(struct dsc_cmd *cmd, struct dsc_stage **stages, int *n,
                                struct dsc_err *err);

/**
 * What identifies a stage: version, options that are not about how it is shown, and the sha256 of
 * every file or model that its arguments and options name, outputs apart.
 */
enum dsc_status dsc_stage_key(const struct dsc_stage *s, char hex[65], struct dsc_err *err);

#endif
