/* completion: a script for the shell. */
#include "cmd.h"
#include "help.h"

#include <string.h>

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    if (strcmp(cmd->args[0], "bash") != 0) {
        dsc_fail(err, DSC_E_USAGE, "no completion for the shell '%s'", cmd->args[0]);
        return dsc_err_hint(err, "bash is the one that is supported");
    }
    dsc_complete_bash(cmd->out);
    return DSC_OK;
}

const struct dsc_command dsc_command_completion = {
    .name = "completion",
    .args = "bash",
    .summary = "print the completion script of a shell",
    .about = "Completes commands, options, and the words of options that take one of a few.",
    .examples = "dscompress completion bash > dscompress.bash",
    .n_args_min = 1,
    .n_args_max = 1,
    .run = run,
};
