/*
 * The state of a training run in a folder: checkpoints, metrics, a lock.
 *
 *   lock                        held while a run is alive
 *   checkpoint-STEP.safetensors weights and moments; its metadata hold step and fingerprint
 *   checkpoint-STEP.sha256      of that file, as sha256sum prints it
 *   metrics.jsonl, metrics.csv  one line a step
 *   events.out.tfevents.*       the same for TensorBoard; one file a process
 *
 * The fingerprint is the sha256 of what identifies the command: verb, version, options that change
 * results, model and data. The same command resumes; another is refused. The last two checkpoints
 * are kept, so that a damaged one is not the end of a run.
 */
#ifndef DSC_CLI_STATE_H
#define DSC_CLI_STATE_H

#include "cmd.h"
#include "dsc/train.h"
#include "events.h"
#include "textmodel.h"

/** Zero-initialise; `dir` NULL: no state is kept and all calls do nothing. */
struct dsc_state {
    struct dsc_cmd *cmd;
    const char *dir;
    int lock_fd;
    char fingerprint[65];
    double last_save_s;
    FILE *events; /* opened by the first step */
};

/**
 * Make a folder, if it is not there, and lock it until *lock_fd is closed.
 * Errors  LOCKED  a live run holds it
 *         EXISTS  it cannot be made
 */
enum dsc_status dsc_state_lock(const char *dir, int *lock_fd, struct dsc_err *err);

/**
 * Make or lock the folder. m, d, d2: what the command reads.
 * Errors  LOCKED  a live run holds it
 *         EXISTS  it cannot be made
 */
enum dsc_status dsc_state_open(struct dsc_state *s, struct dsc_cmd *cmd, const char *dir,
                               const struct dsc_textmodel *m, const struct dsc_dataset *d,
                               const struct dsc_dataset *d2, struct dsc_err *err);

/**
 * Bring the trainer to the newest sound checkpoint; without any it stays at step 0. A damaged one
 * is named in a warning, and the one before it used. Errors  INCONSISTENT  the folder is of another
 * command CRC           there are checkpoints, and none is sound
 */
enum dsc_status dsc_state_load(struct dsc_state *s, struct dsc_trainer *t, struct dsc_err *err);

/** Save now; older checkpoints than the last two go. */
enum dsc_status dsc_state_save(struct dsc_state *s, struct dsc_trainer *t, struct dsc_err *err);
/** Save if the last time was a minute ago. */
enum dsc_status dsc_state_tick(struct dsc_state *s, struct dsc_trainer *t, struct dsc_err *err);

/** One line in the metrics files. Errors: IO, NOSPACE. */
enum dsc_status dsc_state_metrics(struct dsc_state *s, const struct dsc_train_report *r,
                                  double examples_per_s, struct dsc_err *err);
/** The score of an epoch, for TensorBoard. */
enum dsc_status dsc_state_score(struct dsc_state *s, uint64_t step, const char *metric,
                                double value, struct dsc_err *err);
void dsc_state_close(struct dsc_state *s);

#endif
