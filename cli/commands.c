/* The list of verbs, and what a verb can ask of the program. */
#include "cmd.h"

#include <sched.h>
#include <string.h>

#define DSC_COMMAND(name) extern const struct dsc_command dsc_command_##name;
#include "commands.def"
#undef DSC_COMMAND

const struct dsc_command *const dsc_commands[] = {
#define DSC_COMMAND(name) &dsc_command_##name,
#include "commands.def"
#undef DSC_COMMAND
    NULL,
};

const struct dsc_command *dsc_command_find(const char *name)
{
    for (int i = 0; dsc_commands[i]; i++)
        if (!strcmp(dsc_commands[i]->name, name))
            return dsc_commands[i];
    return NULL;
}

int dsc_cmd_n_threads(struct dsc_cmd *cmd)
{
    cpu_set_t set;

    if (dsc_opt_is_set(cmd, DSC_OPT_threads))
        return (int)dsc_opt_int(cmd, DSC_OPT_threads);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
}

enum dsc_status dsc_cmd_pool(struct dsc_cmd *cmd, struct dsc_pool **pool, struct dsc_err *err)
{
    if (!cmd->pool)
        DSC_TRY(dsc_pool_open(&cmd->pool, dsc_cmd_n_threads(cmd), err));
    *pool = cmd->pool;
    return DSC_OK;
}

enum dsc_status dsc_cmd_stopped(const struct dsc_cmd *cmd, struct dsc_err *err)
{
    const int sig = *cmd->stop;

    if (sig == 0)
        return DSC_OK;
    return dsc_fail(err, sig == SIGINT ? DSC_E_INTERRUPTED : DSC_E_TERMINATED, "stopped by %s",
                    sig == SIGINT ? "SIGINT" : "SIGTERM");
}
