/*
 * Progress of long work on standard error: a line that is redrawn on a terminal, lines now and
 * then (plain), JSON lines (json), or nothing.
 */
#ifndef DSC_CLI_PROGRESS_H
#define DSC_CLI_PROGRESS_H

#include "term.h"

#include <stdint.h>

struct dsc_cmd;

enum dsc_progress_mode {
    DSC_PROGRESS_AUTO,
    DSC_PROGRESS_PLAIN,
    DSC_PROGRESS_JSON,
    DSC_PROGRESS_NONE
};

/** A number shown beside the bar: {"loss", 0.31}. */
struct dsc_progress_field {
    const char *name;
    double value;
};

struct dsc_progress {
    const struct dsc_term *term;
    enum dsc_progress_mode mode;
    const char *what; /* "train", "calibrate" */
    const char *unit; /* "examples", "steps" */
    int64_t n_total;  /* 0: unknown */
    int64_t n_start;  /* done before this process began (resume): not part of the rate */
    double start_s, last_s;
    bool is_drawn; /* an unfinished line is on the terminal */
};

/** Begin; cmd->progress points to `p` until dsc_progress_end. */
void dsc_progress_begin(struct dsc_cmd *cmd, struct dsc_progress *p, const char *what,
                        const char *unit, int64_t n_start, int64_t n_total);
/** Tell how much is done; draws at most ten times (terminal) or once (else) a second. */
void dsc_progress_update(struct dsc_progress *p, int64_t n_done,
                         const struct dsc_progress_field *fields, int n_fields);
/** Wipe the line before something else is printed. */
void dsc_progress_hide(struct dsc_progress *p);
void dsc_progress_end(struct dsc_cmd *cmd);

/** Seconds of a clock that never goes back. */
double dsc_now_s(void);

#endif
