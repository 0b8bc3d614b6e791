/* help: the commands, or one command's options. */
#include "cmd.h"
#include "help.h"

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    const struct dsc_command *c = cmd->n_args ? dsc_command_find(cmd->args[0]) : NULL;
    const char *names[64];
    const char *near;
    int n = 0;

    if (cmd->n_args && !c) {
        for (; dsc_commands[n] && n < 64; n++)
            names[n] = dsc_commands[n]->name;
        near = dsc_nearest(cmd->args[0], names, n);
        dsc_fail(err, DSC_E_USAGE, "unknown command '%s'", cmd->args[0]);
        return near ? dsc_err_hint(err, "did you mean %s?", near)
                    : dsc_err_hint(err, "'dscompress help' lists the commands");
    }
    if (dsc_opt_flag(cmd, DSC_OPT_man))
        dsc_man_page(cmd->out, c);
    else if (c)
        dsc_help_command(&cmd->term_out, c);
    else
        dsc_help_overview(&cmd->term_out);
    return DSC_OK;
}

const struct dsc_command dsc_command_help = {
    .name = "help",
    .args = "[COMMAND]",
    .summary = "show the commands, or the options of one",
    .examples = "dscompress help doctor",
    .n_args_max = 1,
    .run = run,
};
