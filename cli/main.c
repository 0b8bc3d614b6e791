/* Finds the command, runs it, maps its status to the exit code. */
#include "cmd.h"
#include "dsc/machine.h"
#include "help.h"
#include "output.h"
#include "progress.h"
#include "recipe.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The only mutable global: a handler has no other way to tell. */
static volatile sig_atomic_t stop_signal;

static void on_signal(int sig)
{
    stop_signal = sig;
}

/* The first signal asks for a clean stop; the handler is then gone, and a second one kills. */
static void catch_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    for (int i = 0; i < 2; i++) {
        const int sig = i ? SIGTERM : SIGINT;
        struct sigaction before;

        /* what the caller ignores stays ignored: a background job must not die of ^C */
        if (sigaction(sig, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(sig, &stop, NULL);
    }
    sigaction(SIGPIPE, &ignore, NULL); /* a closed pipe is a failed write: exit 74 */
    sigaction(SIGXFSZ, &ignore, NULL); /* and so is a file over the limit of its size */
}

/*
 * A standard stream that the caller closed is opened so that using it fails: else the next file
 * that is opened would get its number and what is printed would land in it.
 */
static void guard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

/* The kernel that OpenBLAS should be told to use, or NULL: its own choice, or the user's. */
static const char *wanted_core(const struct dsc_cmd *cmd, const char *given)
{
    struct dsc_blas_info blas;

    if (cmd->opts.v[DSC_OPT_deterministic].n_given)
        return given && !strcmp(given, DSC_BLAS_FIXED_CORE) ? NULL : DSC_BLAS_FIXED_CORE;
    if (given)
        return NULL;
    dsc_blas_probe(&blas);
    return dsc_blas_better_core(blas.core, dsc_cpu_level_best());
}

/*
 * OpenBLAS chooses its kernels when it is loaded, by the processor or by this variable: to have
 * another one the program starts itself once more with it. cpu_level() looks at the outcome.
 */
static void fix_blas(const struct dsc_cmd *cmd, char **argv)
{
    static const char name[] = "OPENBLAS_CORETYPE";
    const char *core = wanted_core(cmd, getenv(name));

    if (core && setenv(name, core, 1) == 0)
        execv("/proc/self/exe", argv);
}

/* True when --json came without a file: the object is then all that goes to standard output. */
static bool json_on_stdout(struct dsc_cmd *cmd)
{
    return dsc_opt_is_set(cmd, DSC_OPT_json) && !dsc_opt_text(cmd, DSC_OPT_json);
}

static enum dsc_status set_up(struct dsc_cmd *cmd, struct dsc_err *err)
{
    const enum dsc_color color = (enum dsc_color)dsc_opt_enum(cmd, DSC_OPT_color);
    char schema[96];

    dsc_opt_enum(cmd, DSC_OPT_progress);
    cmd->verbosity = dsc_opt_flag(cmd, DSC_OPT_quiet) ? -1 : dsc_opt_flag(cmd, DSC_OPT_verbose);
    dsc_opt_flag(cmd, DSC_OPT_verbose);
    dsc_term_init(&cmd->term_out, stdout, color);
    dsc_term_init(&cmd->term_err, stderr, color);
    cmd->out = stdout;
    if (json_on_stdout(cmd)) {
        cmd->null_out = fopen("/dev/null", "we");
        if (!cmd->null_out)
            return dsc_fail(err, DSC_E_IO, "cannot open /dev/null: %s", strerror(errno));
        cmd->out = cmd->null_out;
        cmd->term_out.f = cmd->null_out;
    }
    snprintf(schema, sizeof schema, "dscompress.%s/1", cmd->row ? cmd->row->name : "help");
    dsc_json_object(&cmd->json, NULL);
    dsc_json_text(&cmd->json, "schema", schema);
    return DSC_OK;
}

/* A place that cannot be written to is told before the work, not after it. Verbs look at -o. */
static enum dsc_status check_places(const struct dsc_cmd *cmd, struct dsc_err *err)
{
    static const enum dsc_opt_id reports[] = {DSC_OPT_json, DSC_OPT_predictions, DSC_OPT_junit,
                                              DSC_OPT_trace};

    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        const struct dsc_opt_value *v = &cmd->opts.v[reports[i]];
        const bool may_replace =
            reports[i] == DSC_OPT_json || cmd->opts.v[DSC_OPT_force].n_given > 0;

        if (v->n_items > 0 && v->items[v->n_items - 1])
            DSC_TRY(dsc_output_place(v->items[v->n_items - 1], may_replace, err));
    }
    return DSC_OK;
}

static enum dsc_status run(struct dsc_cmd *cmd, struct dsc_err *err)
{
    if (dsc_opt_flag(cmd, DSC_OPT_version)) {
        fputs("dscompress " DSC_VERSION "\n", cmd->out);
        dsc_json_text(&cmd->json, "version", DSC_VERSION);
        return DSC_OK;
    }
    if (dsc_opt_flag(cmd, DSC_OPT_help)) {
        if (cmd->row)
            dsc_help_command(&cmd->term_out, cmd->row);
        else
            dsc_help_overview(&cmd->term_out);
        return DSC_OK;
    }
    if (dsc_opt_flag(cmd, DSC_OPT_print_recipe) && !cmd->row->has_stages)
        return dsc_recipe_print(cmd, err);
    DSC_TRY(check_places(cmd, err));
    DSC_TRY(cmd->row->run(cmd, err));
    return dsc_cmd_check_used(cmd, err);
}

/* A failed check has its full report and the error; every other failure has the error alone. */
static void close_json(struct dsc_cmd *cmd, const struct dsc_err *err)
{
    if (err->status == DSC_OK || err->status == DSC_E_CHECK) {
        while (cmd->json.depth > 1)
            dsc_json_end(&cmd->json);
        if (err->status == DSC_E_CHECK)
            dsc_report_json_fault(&cmd->json, err);
        dsc_json_end(&cmd->json);
    } else {
        dsc_json_clear(&cmd->json);
        dsc_report_json_error(&cmd->json, cmd->row ? cmd->row->name : "dscompress", err);
    }
    dsc_bytes_text(&cmd->json.text, "\n");
}

/* A report that is lost comes before the answer of a check, and behind any other failure. */
static void add_failure(struct dsc_err *err, const struct dsc_err *lost)
{
    if (lost->status != DSC_OK && (err->status == DSC_OK || err->status == DSC_E_CHECK))
        *err = *lost;
}

/* code 0: of a failure before, whose reason is gone */
static void lose_stdout(struct dsc_err *lost, int code)
{
    dsc_fail(lost, code == ENOSPC ? DSC_E_NOSPACE : DSC_E_IO, "cannot write%s%s", code ? ": " : "",
             code ? strerror(code) : "");
    dsc_err_file(lost, "standard output");
}

static void write_json(struct dsc_cmd *cmd, struct dsc_err *err)
{
    const struct dsc_bytes *text = &cmd->json.text;
    const char *path = dsc_opt_text(cmd, DSC_OPT_json);
    struct dsc_err lost = {0};
    struct dsc_out o;

    if (!dsc_opt_is_set(cmd, DSC_OPT_json))
        return;
    close_json(cmd, err);
    if (text->is_failed) {
        dsc_fail(&lost, DSC_E_MEMORY, "no memory for the JSON report");
    } else if (!path) {
        if (fwrite(text->data, 1, text->n_bytes, stdout) < text->n_bytes)
            lose_stdout(&lost, errno);
    } else if (dsc_out_open(&o, path, true, &lost) == DSC_OK) {
        dsc_out_write(&o, text->data, text->n_bytes);
        dsc_out_commit(&o, &lost);
    }
    add_failure(err, &lost);
}

static void close_stdout(struct dsc_err *err)
{
    const bool has_failed = ferror(stdout) != 0;
    struct dsc_err lost = {0};
    int code = 0;

    if (fflush(stdout) != 0)
        code = errno;
    if (!has_failed && code == 0)
        return;
    lose_stdout(&lost, code);
    add_failure(err, &lost);
}

int main(int argc, char **argv)
{
    struct dsc_arena arena;
    struct dsc_cmd cmd = {.arena = &arena, .stop = &stop_signal};
    struct dsc_err err = {0};
    enum dsc_status st;

    guard_streams();
    catch_signals();
    dsc_arena_init(&arena);
    cmd.log = (struct dsc_log){dsc_report_log, &cmd};
    dsc_term_init(&cmd.term_err, stderr, DSC_COLOR_AUTO);
    st = dsc_opt_parse(&cmd, argc, argv, &err);
    if (st == DSC_OK)
        fix_blas(&cmd, argv);
    if (st == DSC_OK)
        st = set_up(&cmd, &err);
    if (st == DSC_OK)
        st = run(&cmd, &err);
    if (st != DSC_OK && err.status == DSC_OK)
        err.status = st;
    if (st != DSC_OK && stop_signal) { /* a read or write that a signal broke off */
        err = (struct dsc_err){0};
        dsc_cmd_stopped(&cmd, &err);
    }
    dsc_progress_end(&cmd);
    write_json(&cmd, &err);
    close_stdout(&err);
    if (err.status != DSC_OK && (err.status != DSC_E_CHECK || err.message[0]))
        dsc_report_error(&cmd.term_err, &err);
    if (cmd.pool)
        dsc_pool_close(cmd.pool);
    if (cmd.null_out)
        fclose(cmd.null_out);
    dsc_json_clear(&cmd.json);
    dsc_arena_clear(&arena);
    exit(err.status == DSC_OK ? 0 : dsc_status_exit(err.status));
}
