/*
 * Options: one table for all verbs, parsed once, read by id.
 *
 * Reading marks an option as used; what was given and never read is an error (dsc_cmd_check_used).
 */
#ifndef DSC_CLI_OPT_H
#define DSC_CLI_OPT_H

#include "dsc/arena.h"
#include "dsc/distill.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dsc_cmd;
struct dsc_command;

/**
 * FLAG no value; INT, FLOAT, TEXT, SIZE (bytes or a count: 15MB, 2GiB, 15M), ENUM one value;
 * RAMP numbers joined by ':', of a value that changes while training runs (8:1);
 * INTS, LIST comma-separated values; MAYBE a text that may only be given as --name=value.
 */
enum dsc_opt_kind {
    DSC_OPTKIND_FLAG,
    DSC_OPTKIND_INT,
    DSC_OPTKIND_INTS,
    DSC_OPTKIND_FLOAT,
    DSC_OPTKIND_TEXT,
    DSC_OPTKIND_SIZE,
    DSC_OPTKIND_ENUM,
    DSC_OPTKIND_LIST,
    DSC_OPTKIND_MAYBE,
    DSC_OPTKIND_RAMP,
};

enum dsc_opt_id {
#define DSC_OPTION(id, name, letter, kind, rep, value, dflt, limits, verbs, help) DSC_OPT_##id,
#include "options.def"
#undef DSC_OPTION
    DSC_OPT_COUNT
};

struct dsc_opt_row {
    const char *name;
    char letter; /* 0: none */
    enum dsc_opt_kind kind;
    bool is_repeatable; /* else the last one counts */
    const char *value;  /* its name in help */
    const char *dflt;   /* "" none */
    const char *limits; /* "1..100" for numbers, "a|b" for ENUM, "" none */
    const char *verbs;  /* "train eval"; "*" all */
    const char *help;
};

extern const struct dsc_opt_row dsc_opt_rows[DSC_OPT_COUNT];

/** What was given for one option. */
struct dsc_opt_value {
    const char **items; /* texts in order; LIST and INTS split at commas */
    int n_items;
    int n_given;
    int line; /* of the recipe it comes from; 0: the command line; or DSC_OPT_BY_SET */
    bool is_used;
};

enum { DSC_OPT_BY_SET = -1 };

struct dsc_opts {
    struct dsc_opt_value v[DSC_OPT_COUNT];
};

/**
 * Parse a command line: find the verb, bind options to its rows, check values and needs. Options
 * may stand before and after the verb and among its arguments; `--` ends them.
 *
 * cmd->row stays NULL when there is no verb and --help or --version was given.
 * Errors  USAGE
 */
enum dsc_status dsc_opt_parse(struct dsc_cmd *cmd, int argc, char **argv, struct dsc_err *err);

bool dsc_opt_takes(const struct dsc_opt_row *row, const char *verb);

/** Was it given by the user? */
bool dsc_opt_is_set(struct dsc_cmd *cmd, enum dsc_opt_id id);
/** Value, else default; values have been checked, so that these cannot fail. */
bool dsc_opt_flag(struct dsc_cmd *cmd, enum dsc_opt_id id);
int64_t dsc_opt_int(struct dsc_cmd *cmd, enum dsc_opt_id id);
double dsc_opt_float(struct dsc_cmd *cmd, enum dsc_opt_id id);
struct dsc_ramp dsc_opt_ramp(struct dsc_cmd *cmd, enum dsc_opt_id id);
uint64_t dsc_opt_size(struct dsc_cmd *cmd, enum dsc_opt_id id);
const char *dsc_opt_text(struct dsc_cmd *cmd, enum dsc_opt_id id); /* NULL: no value, no default */
/** ENUM: the number of the chosen word in `limits`, from 0; -1: not given and no default. */
int dsc_opt_enum(struct dsc_cmd *cmd, enum dsc_opt_id id);
/** Items of LIST, INTS and repeatable options, in order; default counts as one list. */
const char *const *dsc_opt_items(struct dsc_cmd *cmd, enum dsc_opt_id id, int *n_items);
/** One number of an INTS option. */
int64_t dsc_opt_item_int(const char *item);

/**
 * The word that stands for an option which was not given, when the verb chooses it by what else was
 * said: from now on its value, for provenance too. An option that was given keeps its own.
 */
enum dsc_status dsc_opt_resolve(struct dsc_cmd *cmd, enum dsc_opt_id id, const char *text,
                                struct dsc_err *err);
/** Shared code has read options that have no effect here: dsc_cmd_check_used refuses them. */
void dsc_opt_disregard(struct dsc_cmd *cmd, const enum dsc_opt_id *ids, int n);

/** Split "key=value" at the first '='; false when there is none, or the key does not fit. */
bool dsc_opt_pair(const char *text, char *key, size_t key_bytes, const char **value);

/** The nearest of `n` words within the length's tolerance, else NULL (optimal string alignment). */
const char *dsc_nearest(const char *word, const char *const *words, int n);

#endif
