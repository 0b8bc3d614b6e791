/*
 * What a subcommand gets, and the record that describes one.
 *
 * A new verb is one file, cmd_NAME.c with `const struct dsc_command dsc_command_NAME`, and one row
 * in commands.def; options it takes name the verb in their rows of options.def. Dispatch, help, man
 * page, completion and tests follow from the rows.
 */
#ifndef DSC_CLI_CMD_H
#define DSC_CLI_CMD_H

#include "dsc/arena.h"
#include "dsc/log.h"
#include "dsc/pool.h"
#include "dsc/status.h"
#include "json.h"
#include "opt.h"
#include "term.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

struct dsc_command;
struct dsc_progress;

/* The kernels of OpenBLAS that --deterministic keeps to: every processor with AVX2 has them. */
#define DSC_BLAS_FIXED_CORE "Haswell"

/** By dsc_provenance_input. */
struct dsc_cmd_input {
    const char *name;
    char sha256[65];
};

enum { DSC_CMD_INPUTS_MAX = 16 };

/**
 * One run of one verb. Results go to `out` (text) and `json` (always filled; printed when --json
 * was given). With --json on standard output, `out` swallows what is written to it.
 *
 * Memory  everything in it lives until main returns; `arena` is the verb's to use
 */
struct dsc_cmd {
    const struct dsc_command *row;
    struct dsc_opts opts;
    const char *const *args; /* positional arguments after the verb */
    int n_args;
    struct dsc_arena *arena;
    struct dsc_log log;
    FILE *out;
    struct dsc_term term_out, term_err;
    struct dsc_json json; /* the open object of the report */
    struct dsc_progress *progress;
    const volatile sig_atomic_t *stop; /* 0, SIGINT or SIGTERM: loops look at it */
    struct dsc_pool *pool;             /* by dsc_cmd_pool */
    FILE *null_out;
    struct dsc_cmd_input inputs[DSC_CMD_INPUTS_MAX];
    int n_inputs;
    int verbosity; /* -1 quiet, 0, 1 verbose */
};

/** A verb. Strings are static; optional ones may be NULL. */
struct dsc_command {
    const char *name;
    const char *args;     /* positional arguments as shown in the usage line: "MODEL" */
    const char *summary;  /* one line without a full stop */
    const char *about;    /* paragraphs, separated by empty lines */
    const char *examples; /* command lines, one a line */
    const char *needs;    /* options that must be given: "data,output" */
    int n_args_min, n_args_max;
    bool opens_new;  /* a MODEL may be one that is made: new:lstm */
    bool has_stages; /* --set and --print-recipe are of its stages: the verb sees to them */
    enum dsc_status (*run)(struct dsc_cmd *cmd, struct dsc_err *err);
};

/** All verbs in the order of commands.def; NULL-terminated. */
extern const struct dsc_command *const dsc_commands[];
const struct dsc_command *dsc_command_find(const char *name);

/** The pool of -j threads (all cores by default), opened at the first call. */
enum dsc_status dsc_cmd_pool(struct dsc_cmd *cmd, struct dsc_pool **pool, struct dsc_err *err);

/** Threads that -j asks for, >= 1. */
int dsc_cmd_n_threads(struct dsc_cmd *cmd);

/** OK, or INTERRUPTED / TERMINATED when a signal asked to stop. */
enum dsc_status dsc_cmd_stopped(const struct dsc_cmd *cmd, struct dsc_err *err);

/**
 * Refuse options that were given and that nothing has read. Call it when all options have been
 * read and before work starts: an option without an effect must not pass in silence.
 *
 * Errors  USAGE with all such options named
 */
enum dsc_status dsc_cmd_check_used(struct dsc_cmd *cmd, struct dsc_err *err);

#endif
