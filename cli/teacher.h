/* Teachers: other models whose outputs on the training rows a student learns to give. */
#ifndef DSC_CLI_TEACHER_H
#define DSC_CLI_TEACHER_H

#include "cmd.h"
#include "dsc/distill.h"
#include "textmodel.h"

/** One of them, until it has been asked; is_self: its graph is a copy of the student's. */
struct dsc_teacher_model {
    const char *path;
    struct dsc_textmodel m;
    bool is_self;
    double weight; /* of its outputs; all weights sum to 1 */
};

enum { DSC_TEACHERS_MAX = 8 };

/**
 * outputs  [n_rows, n_cols] on the training rows, in their order: logits (two of them where the
 *          teacher has one logit), or values; of several teachers their weighted mean. 4 bytes
 *          each, which is all that is kept then.
 */
struct dsc_teacher {
    bool is_there;
    struct dsc_distill distill;
    int n;
    struct dsc_teacher_model models[DSC_TEACHERS_MAX];
    float *outputs;
    int64_t n_cols;
    const char *cache;             /* file of --teacher-cache, or NULL */
    bool may_replace;              /* a cache of something else */
    bool is_dry;                   /* no cache is written */
    struct dsc_teacher_taps *taps; /* with --term; NULL else */
};

/**
 * --teacher, --teacher-weights, --temperature, --alpha and --teacher-cache, where --teacher is
 * given (else is_there stays false). The word "self" is the student m as it is now, where has_self
 * allows it. What only one of both knows of labels holds for both.
 *
 * Errors  INCONSISTENT  other classes than the student's; as dsc_textmodel_open
 */
enum dsc_status dsc_teacher_open(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                 struct dsc_textmodel *m, bool has_self, struct dsc_err *err);
/**
 * Their outputs on the rows d, once, from the cache where there is one; the models are closed then.
 * Does nothing without a teacher. The cache is a safetensors file: "outputs" [n_rows, n_cols] f32,
 * and in its metadata a hash of the teachers, the data and the options that outputs depend on.
 *
 * n_out   outputs of the student
 * Errors  INCONSISTENT  a teacher has another number, the cache is of something else; NONFINITE;
 *         as dsc_session_run, dsc_safetensors_read and dsc_safetensors_write
 */
enum dsc_status dsc_teacher_ask(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                const struct dsc_dataset *d, int64_t n_out, int64_t batch,
                                struct dsc_device *dev, struct dsc_err *err);
void dsc_teacher_close(struct dsc_teacher *t);

/* ---- --term: what happens inside the (first) teacher, which then runs along with the student ----
 */

/**
 * --term, after dsc_teacher_open. Does nothing without one.
 * Errors  USAGE
 */
enum dsc_status dsc_teacher_read_terms(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                       struct dsc_err *err);
/**
 * Find what the terms compare in both models, before dsc_distill_attach; the teacher is opened for
 * running. A second call is for another graph of the student.
 *
 * student  the graph that is trained, without its loss; sizes may be learned in it
 * Errors   as dsc_dterms_plan
 */
enum dsc_status dsc_teacher_tap(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                const struct dsc_textmodel *m, struct dsc_graph *student,
                                int64_t n_rows, struct dsc_device *dev, struct dsc_err *err);
/**
 * Which rows both models cut into the same tokens: the others have no part in terms on tokens, and
 * how many these are is said.
 * Errors  INCONSISTENT  there is no such row
 */
enum dsc_status dsc_teacher_align(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                  const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                  struct dsc_err *err);
/** Run the teacher on a batch, and fill the inputs of the terms; those of the student are there. */
enum dsc_status dsc_teacher_fill(const struct dsc_teacher *t, const struct dsc_textmodel *m,
                                 const struct dsc_dataset *d, const int64_t *idx, int64_t n,
                                 struct dsc_tensor *feeds, struct dsc_err *err);
void dsc_teacher_close_taps(struct dsc_teacher *t);

#endif
