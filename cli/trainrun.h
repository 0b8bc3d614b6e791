/*
 * A training run of a text model, shared by train and quantize --method qat: options, data, loop,
 * scores after each epoch.
 */
#ifndef DSC_CLI_TRAINRUN_H
#define DSC_CLI_TRAINRUN_H

#include "cmd.h"
#include "dsc/train.h"
#include "pattern.h"
#include "state.h"
#include "teacher.h"
#include "textmodel.h"

struct dsc_trainrun {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m; /* its graph ends in the logits */
    struct dsc_device *dev;
    struct dsc_dataset train, dev_set;
    struct dsc_dataset unlabeled, augmented; /* rows without labels, which train holds, too */
    bool has_dev;
    struct dsc_train_config config;
    int64_t n_at_once;     /* rows of a pass without gradients */
    const int32_t *length; /* tokens of each row, where batches go by them; else NULL */
    enum dsc_opt_id epochs_opt, lr_opt; /* the verb's own: defaults differ */
    int64_t n_epochs;
    double scale_lr;   /* of --scale-lr; 0: as the weights */
    int64_t norm_rows; /* BatchNormalization's statistics are of these in the end; 0: they stay */
    struct dsc_patterns freeze, unfreeze;
    const struct dsc_loss *loss;
    struct dsc_teacher teacher;
    bool teacher_may_be_self; /* set before open */
    int64_t n_out;            /* outputs for a row */
    struct dsc_graph *graph;  /* with target and loss */
    int loss_output, target_input;
    struct dsc_param *params;
    int n_params;
    struct dsc_trainer *trainer;
    struct dsc_state state;
    const char *state_dir;
    double seconds, start_s;
    int64_t n_seen; /* examples of this process */
    double last_loss, last_parts[DSC_TRAIN_PARTS_MAX];
    double dropout; /* with has_dropout: of the graph that is trained, not of the one written */
    bool has_dropout;
    bool is_dry;                     /* no state is opened */
    bool is_looking;                 /* prepared for dsc_trainrun_look: it is said once only */
    bool is_quantized, has_int_bias; /* of the model as it was read */
    /** Called after every step (may be NULL): QAT freezes its observers. */
    enum dsc_status (*after_step)(void *ctx, uint64_t step, struct dsc_err *err);
    void *ctx;
};

/** Read the options of training into r->config, and the data; zero-initialise, set cmd, m, dev,
 *  epochs_opt, lr_opt. */
enum dsc_status dsc_trainrun_open(struct dsc_trainrun *r, struct dsc_err *err);
/**
 * A quantized model becomes one that simulates its rounding, so that it can be trained further;
 * dsc_trainrun_finish writes codes again. Nothing is done to a float model.
 */
enum dsc_status dsc_trainrun_read_quantized(struct dsc_trainrun *r, struct dsc_err *err);
/** After the graph is final: attach the loss, find the weights, open the trainer. */
enum dsc_status dsc_trainrun_prepare(struct dsc_trainrun *r, struct dsc_err *err);
/**
 * Gradients of the first n batches with the weights as they are; visit (with r->trainer) after
 * each. What was prepared is given back then: the graph may change, and be prepared again.
 */
enum dsc_status dsc_trainrun_look(struct dsc_trainrun *r, int n,
                                  enum dsc_status (*visit)(void *ctx, struct dsc_err *err),
                                  void *ctx, struct dsc_err *err);
void dsc_trainrun_release(struct dsc_trainrun *r);
/** One step on the first batch, and what a run would do, printed: --dry-run. */
enum dsc_status dsc_trainrun_rehearse(struct dsc_trainrun *r, struct dsc_err *err);
/** All steps, with progress; scores on --eval after each epoch. */
enum dsc_status dsc_trainrun_loop(struct dsc_trainrun *r, struct dsc_err *err);
/** Weights into m's graph, and the report's keys into cmd->json. */
enum dsc_status dsc_trainrun_finish(struct dsc_trainrun *r, struct dsc_err *err);
void dsc_trainrun_close(struct dsc_trainrun *r);

#endif
