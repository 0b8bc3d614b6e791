/* pipeline: the stages of a recipe, one after the other. */
#include "cmd.h"
#include "output.h"
#include "recipe.h"
#include "stages.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, RECORD_BYTES = 512 };

/* What became of a stage. */
enum outcome { WOULD_RUN, IS_DONE, HAS_RUN, HAS_FAILED };

static const char *const outcome_names[] = {"would run", "done before", "done", "failed"};

struct pipeline {
    struct dsc_cmd *cmd;
    struct dsc_stage *stages;
    int n;
    const char *state; /* NULL: none */
    bool may_replace, is_dry;
    bool *is_stale; /* [n] its output is about to change (--dry-run) */
    int lock_fd;
};

/* ---- what a stage has left behind ---- */

static void record_path(const struct pipeline *p, const struct dsc_stage *s, char *path)
{
    snprintf(path, PATH_BYTES, "%s/%s.stage", p->state, s->name);
}

/* Of a stage that has run: its key, and what it wrote. */
static enum dsc_status make_record(const struct dsc_stage *s, const char key[65], char *text,
                                   struct dsc_err *err)
{
    char hex[65];

    DSC_TRY(dsc_provenance_hash_model(s->output, hex, err));
    snprintf(text, RECORD_BYTES, "dscompress.stage/1\nkey %s\noutput %s\n", key, hex);
    return DSC_OK;
}

static enum dsc_status write_record(const struct pipeline *p, const struct dsc_stage *s,
                                    const char *text, struct dsc_err *err)
{
    char path[PATH_BYTES];
    struct dsc_out o;

    record_path(p, s, path);
    DSC_TRY(dsc_out_open(&o, path, true, err));
    dsc_out_text(&o, text);
    return dsc_out_commit(&o, err);
}

/* Has it run on what there is now, and is its output what it wrote then? What only reports is asked
 * anew. */
static bool is_up_to_date(const struct pipeline *p, const struct dsc_stage *s, const char key[65])
{
    char path[PATH_BYTES], text[RECORD_BYTES];
    struct dsc_err aside = {0};
    struct dsc_file f;
    bool is_equal;

    if (!p->state || !s->output || access(s->output, F_OK) != 0)
        return false;
    record_path(p, s, path);
    if (make_record(s, key, text, &aside) != DSC_OK ||
        dsc_file_open(&f, path, RECORD_BYTES, &aside) != DSC_OK)
        return false;
    is_equal = f.n_bytes == strlen(text) && memcmp(f.data, text, f.n_bytes) == 0;
    dsc_file_close(&f);
    return is_equal;
}

/* ---- one stage ---- */

/* What the stage would be called with by hand, and what the state adds. */
static enum dsc_status make_argv(const struct pipeline *p, const struct dsc_stage *s,
                                 const char key[65], char ***argv, struct dsc_err *err)
{
    struct dsc_arena *arena = p->cmd->arena;
    const bool learns = s->cmd.opts.v[DSC_OPT_train].n_given > 0;
    char path[PATH_BYTES];
    bool has_started = false;
    char **list;
    int n = 0;

    DSC_NEW(list, arena, s->argc + 3, err);
    list[n++] = dsc_arena_strdup(arena, s->argv[0], err);
    list[n++] = dsc_arena_strdup(arena, s->argv[1], err);
    if (p->state) {
        record_path(p, s, path);
        has_started = access(path, F_OK) == 0;
    }
    if ((p->may_replace || has_started) && s->cmd.opts.v[DSC_OPT_force].n_given == 0 &&
        dsc_opt_takes(&dsc_opt_rows[DSC_OPT_force], s->cmd.row->name))
        list[n++] = dsc_arena_strdup(arena, "--force", err);
    if (p->state && learns && s->cmd.opts.v[DSC_OPT_state].n_given == 0 &&
        dsc_opt_takes(&dsc_opt_rows[DSC_OPT_state], s->cmd.row->name))
        list[n++] = dsc_arena_printf(arena, err, "--state=%s/%s-%.12s", p->state, s->name, key);
    for (int i = 2; i < s->argc; i++)
        list[n++] = dsc_arena_strdup(arena, s->argv[i], err);
    for (int i = 0; i < n; i++)
        if (!list[i])
            return DSC_E_MEMORY;
    *argv = list;
    return DSC_OK;
}

static enum dsc_status spawn(const struct pipeline *p, char **argv, pid_t *pid, struct dsc_err *err)
{
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);

    if (code == 0 && p->cmd->null_out) /* our report alone goes to standard output */
        code = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    fflush(p->cmd->out);
    if (code == 0)
        code = posix_spawn(pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return code == 0 ? DSC_OK
                     : dsc_fail(err, DSC_E_IO, "cannot start the stage: %s", strerror(code));
}

/*
 * A signal to us ends the stage, which cleans up behind itself. ^C has reached it as well: a second
 * SIGINT would kill it, SIGTERM does not. Looked at from time to time, since a signal that comes
 * just before a wait would not end it.
 */
static enum dsc_status wait_for(const struct pipeline *p, pid_t pid, int *status,
                                struct dsc_err *err)
{
    static const struct timespec pause = {.tv_nsec = 20000000};
    bool is_told = false;
    pid_t got;

    while ((got = waitpid(pid, status, WNOHANG)) == 0) {
        if (*p->cmd->stop && !is_told)
            is_told = kill(pid, SIGTERM) == 0;
        nanosleep(&pause, NULL);
    }
    if (got < 0)
        return dsc_fail(err, DSC_E_INTERNAL, "the stage is lost: %s", strerror(errno));
    return dsc_cmd_stopped(p->cmd, err);
}

/* The exit status of the stage is ours. */
static enum dsc_status stage_failed(const struct dsc_stage *s, int status, struct dsc_err *err)
{
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    enum dsc_status class = DSC_E_INTERNAL;

    if (WIFSIGNALED(status)) {
        dsc_fail(err, DSC_E_INTERNAL, "stage '%s' was ended by signal %d", s->name,
                 WTERMSIG(status));
        return DSC_E_INTERNAL;
    }
    for (int i = DSC_STATUS_COUNT - 1; i > DSC_OK; i--)
        if (dsc_status_exit((enum dsc_status)i) == code)
            class = (enum dsc_status)i;
    return dsc_fail(err, class, "stage '%s' failed with exit status %d", s->name, code);
}

static enum dsc_status run_stage(const struct pipeline *p, const struct dsc_stage *s,
                                 const char key[65], struct dsc_err *err)
{
    char text[RECORD_BYTES];
    char **argv = NULL;
    pid_t pid;
    int status;

    DSC_TRY(make_argv(p, s, key, &argv, err));
    if (p->state && s->output && access(s->output, F_OK) != 0) /* what comes is ours */
        DSC_TRY(write_record(p, s, "dscompress.stage/1\nstarted\n", err));
    DSC_TRY(spawn(p, argv, &pid, err));
    DSC_TRY(wait_for(p, pid, &status, err));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return stage_failed(s, status, err);
    if (!p->state || !s->output)
        return DSC_OK;
    DSC_TRY(make_record(s, key, text, err));
    return write_record(p, s, text, err);
}

/* ---- all ---- */

/* It reads what a stage that would run would write. */
static bool reads_stale(const struct pipeline *p, int i)
{
    const struct dsc_stage *s = &p->stages[i];

    for (int k = 0; k < i; k++) {
        const char *output = p->is_stale[k] ? p->stages[k].output : NULL;

        for (int a = 0; output && a < s->cmd.n_args; a++)
            if (strcmp(s->cmd.args[a], output) == 0)
                return true;
        for (int o = 0; output && o < DSC_OPT_COUNT; o++)
            for (int v = 0; v < s->cmd.opts.v[o].n_items; v++)
                if (strcmp(s->cmd.opts.v[o].items[v], output) == 0)
                    return true;
    }
    return false;
}

static void show(const struct pipeline *p, int i, enum outcome outcome)
{
    const struct dsc_stage *s = &p->stages[i];

    fprintf(p->cmd->out, "[%d/%d] %s%s:", i + 1, p->n, s->name,
            outcome == IS_DONE ? " (done before)" : "");
    for (int k = 1; k < s->argc; k++)
        fprintf(p->cmd->out, " %s", s->argv[k]);
    fputc('\n', p->cmd->out);
}

static void report(const struct pipeline *p, const struct dsc_stage *s, enum outcome outcome)
{
    struct dsc_json *j = &p->cmd->json;

    dsc_json_object(j, NULL);
    dsc_json_text(j, "name", s->name);
    dsc_json_text(j, "verb", s->cmd.row->name);
    dsc_json_text(j, "outcome", outcome_names[outcome]);
    if (s->output)
        dsc_json_text(j, "output", s->output);
    dsc_json_end(j);
}

static enum dsc_status do_stage(const struct pipeline *p, int i, struct dsc_err *err)
{
    const struct dsc_stage *s = &p->stages[i];
    enum outcome outcome = HAS_RUN;
    char key[65];
    enum dsc_status st;

    DSC_TRY(dsc_cmd_stopped(p->cmd, err));
    DSC_TRY(dsc_stage_key(s, key, err));
    if (is_up_to_date(p, s, key) && !reads_stale(p, i))
        outcome = IS_DONE;
    else if (p->is_dry)
        outcome = WOULD_RUN;
    p->is_stale[i] = outcome == WOULD_RUN;
    show(p, i, outcome);
    st = outcome == HAS_RUN ? run_stage(p, s, key, err) : DSC_OK;
    report(p, s, st == DSC_OK ? outcome : HAS_FAILED);
    if (st != DSC_OK && !err->file[0] && !err->where[0]) {
        dsc_recipe_where(err, s->at);
        dsc_err_file(err, p->cmd->args[0]);
    }
    return st;
}

static enum dsc_status print_recipe(const struct pipeline *p, struct dsc_err *err)
{
    fputs(DSC_RECIPE_HEAD "stages:\n", p->cmd->out);
    for (int i = 0; i < p->n; i++)
        DSC_TRY(dsc_recipe_print_options(&p->stages[i].cmd, "- ", "    ", p->stages[i].name,
                                         p->cmd->out, err));
    return DSC_OK;
}

static enum dsc_status work(struct pipeline *p, struct dsc_err *err)
{
    const bool prints = dsc_opt_flag(p->cmd, DSC_OPT_print_recipe);

    p->may_replace = dsc_opt_flag(p->cmd, DSC_OPT_force);
    p->is_dry = dsc_opt_flag(p->cmd, DSC_OPT_dry_run);
    p->state = dsc_opt_text(p->cmd, DSC_OPT_state);
    DSC_TRY(dsc_stages_read(p->cmd, &p->stages, &p->n, err));
    DSC_TRY(dsc_cmd_check_used(p->cmd, err));
    if (prints)
        return print_recipe(p, err);
    if (p->state && !p->is_dry)
        DSC_TRY(dsc_state_lock(p->state, &p->lock_fd, err));
    DSC_NEW(p->is_stale, p->cmd->arena, p->n, err);
    dsc_json_array(&p->cmd->json, "stages");
    for (int i = 0; i < p->n; i++)
        DSC_TRY(do_stage(p, i, err));
    dsc_json_end(&p->cmd->json);
    return DSC_OK;
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    struct pipeline p = {.cmd = cmd, .lock_fd = -1};
    const enum dsc_status st = work(&p, err);

    if (p.lock_fd >= 0)
        close(p.lock_fd);
    return st;
}

const struct dsc_command dsc_command_pipeline = {
    .name = "pipeline",
    .args = "RECIPE.yaml",
    .summary = "run the stages of a recipe in order",
    .about =
        "A recipe's stages are commands with their options, in a list under `stages:`. A stage "
        "reads what the one before has written, unless `args:` says what else; `name:` tells two "
        "of one command apart. Options at the top of the recipe are for every stage that has "
        "them, those under a command's name for all of its stages. Unknown keys, values that an "
        "option does not take and stages that lack something are errors before anything runs.\n\n"
        "The first stage that fails ends the pipeline, with its exit status. With --state DIR a "
        "stage that has run on the same files and options, and whose output is still what it "
        "wrote, is not run again (what only reports is), training goes on from its last checkpoint "
        "(in DIR), and outputs "
        "that the pipeline made are replaced; without it all stages run, and outputs that exist "
        "are an error unless -f is given.\n\n"
        "--set NAME=VALUE changes an option of all stages that have it, --set STAGE.NAME=VALUE of "
        "one; -q, -v, -j, --device, --seed, --progress and --color are handed on. --print-recipe "
        "prints all options of all stages, and the line that each comes from; -n says what would "
        "run.",
    .examples = "dscompress pipeline recipe.yaml --state state\n"
                "dscompress pipeline recipe.yaml --set train.epochs=1 -n\n"
                "dscompress pipeline recipe.yaml --print-recipe",
    .n_args_min = 1,
    .n_args_max = 1,
    .has_stages = true,
    .run = run,
};
