/*
 * Training: which weights, which loss, one optimizer step at a time.
 *
 * The loss is part of the graph (dsc_loss_build appends it), so trainer, evaluator and exporter
 * have no special modes. The trainer owns copies of the weights and the optimizer's moments in
 * device memory; the graph's initializers change only by dsc_trainer_write_weights. The position
 * (step) and the seed determine everything that is random, so a restored trainer goes on exactly.
 */
#ifndef DSC_TRAIN_H
#define DSC_TRAIN_H

#include "dsc/exec.h"
#include "dsc/graph.h"
#include "dsc/log.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- what is trained ------------------------------------------------------------------------ */

struct dsc_param {
    int value; /* value number of the initializer: its name is its identity */
    int64_t n_elems;
    bool has_decay;   /* rank >= 2, or a learned clip */
    bool is_scale;    /* of FakeQuantize, or its offset */
    double lr_factor; /* of the learning rate, not of the decay: 1, but for what is_scale says */
    bool is_of_loss;  /* a learned part of the loss: no model holds it, and none gets it */
    bool keeps_zeros; /* pruned: elements that are 0 when the trainer opens stay 0 */
};

/**
 * Is a weight trained? `nodes`: names of the n_nodes that read it as a weight, directly or behind a
 * Transpose and the like. is_by_rule false: the rule leaves it out (rank 0, a mask, one element).
 */
typedef bool dsc_param_choose_fn(void *ctx, const char *weight, int n_nodes,
                                 const char *const *nodes, bool is_by_rule);

/**
 * The trainable initializers of a graph, by the rule of docs/adr/0003: float, rank 1 and more, not
 * an additive mask (a value of 1e4 and more), and reaching an input that the operator's record
 * calls a parameter (param_in) directly or through Transpose, Reshape, Identity, Cast,
 * DequantizeLinear, Slice, Expand and views; more than one element, unless the input is a weight by
 * nature (param_scalar_in, or an Add behind a matrix product). Learned scales of FakeQuantize too.
 * In graph order. `choose` (NULL: the rule alone) decides of each of them, and of other float
 * constants that reach a parameter input. A tensor read twice is trained as one: see
 * dsc_params_split.
 *
 * Memory  *params is in `arena`
 * Errors  USAGE  there is none
 */
enum dsc_status dsc_params_find(const struct dsc_graph *g, dsc_param_choose_fn *choose, void *ctx,
                                struct dsc_arena *arena, struct dsc_param **params, int *n_params,
                                struct dsc_err *err);

/**
 * Split trainable tensors that are read more than once and whose elements are all equal: an
 * exporter has merged them. Identity nodes behind such a tensor become tensors, named as their
 * outputs: TorchScript keeps the merged names there. Else the first reader in graph order keeps it;
 * each further one gets its own, named after node and input ("/layer.0/query/Add.in1"); nodes that
 * pass such a tensor on (Transpose ..) are copied as needed. A tensor with differing elements stays
 * one: that is a tie. The graph is sorted, and is so afterwards.
 *
 * n_merged  tensors that were split; n_new  tensors that were added
 */
enum dsc_status dsc_params_split(struct dsc_graph *g, struct dsc_arena *arena, int *n_merged,
                                 int *n_new, struct dsc_err *err);

/**
 * New weights: rank 2 and more N(0, 0.02), drawn from the seed and the name; gains (of a norm, or
 * what a rank 1 tensor multiplies) 1; other tensors of rank 1 are 0.
 * Source  the initialisation of BERT (Devlin et al. 2018, arXiv:1810.04805)
 */
enum dsc_status dsc_params_redraw(struct dsc_graph *g, const struct dsc_param *params, int n_params,
                                  uint64_t seed, struct dsc_err *err);

/** Two trained tensors, a < b in the list, that are equal or each other's transpose. */
struct dsc_param_copy {
    int a, b;
    bool is_transposed;
};

/**
 * Pairs of at least 1,024 elements that are equal and not uniform: tied weights whose tie the
 * export may have lost. They train apart; the caller says so.
 */
enum dsc_status dsc_params_copies(const struct dsc_graph *g, const struct dsc_param *params,
                                  int n_params, struct dsc_arena *arena,
                                  struct dsc_param_copy **copies, int *n_copies,
                                  struct dsc_err *err);

/* ---- losses --------------------------------------------------------------------------------- */

/** Values that a loss may depend on, by number; DSC_NO_VALUE: none. */
struct dsc_loss_args {
    int temperature; /* scalar of the output's type (kl); none: 1 */
    int row_weights; /* [B, 1 ..], of the output's rank: factors of each row's loss; none: 1 */
};

/**
 * A loss appends nodes that compute a scalar, the mean over the batch.
 *
 * cross-entropy   logits [B, C] f32, target [B] i64
 * bce             logits [B] or [B, C] f32, target of the same shape f32 (independent classes)
 * mse             output of any shape f32, target of the same shape
 * kl              student logits [B, C], teacher logits [B, C]: T^2 KL(teacher || student), with
 *                 temperature T (Hinton et al. 2015, arXiv:1503.02531)
 */
struct dsc_loss {
    const char *name;
    enum dsc_dtype target_dtype;
    bool is_target_ranked_like_output; /* else one axis less */
    enum dsc_status (*build)(struct dsc_graph *g, int output, int target,
                             const struct dsc_loss_args *args, int *loss, struct dsc_err *err);
};

const struct dsc_loss *dsc_loss_find(const char *name);

/**
 * Add a target input (named `target_name`) and the loss of graph output `output`; the loss becomes
 * the last graph output, its number is returned.
 */
enum dsc_status dsc_loss_attach(struct dsc_graph *g, int output, const struct dsc_loss *loss,
                                const char *target_name, int *loss_output, struct dsc_err *err);

/* ---- optimizers and schedules --------------------------------------------------------------- */

struct dsc_optim_step {
    double lr, decay, grad_scale;
    double beta1, beta2, eps, momentum;
    uint64_t t; /* 1 for the first step */
};

struct dsc_optim {
    const char *name;
    int n_moments;
    const char *moment_names[2];
    enum dsc_status (*step)(struct dsc_device *dev, const struct dsc_optim_step *p,
                            const struct dsc_tensor *w, const struct dsc_tensor *moments,
                            const struct dsc_tensor *g, struct dsc_err *err);
};

const struct dsc_optim *dsc_optim_find(const char *name);

/** Learning-rate factor in [0, 1] of step `t` (0-based) of n_steps, n_warmup of them rising. */
struct dsc_sched {
    const char *name;
    double (*factor)(uint64_t t, uint64_t n_warmup, uint64_t n_steps);
};

const struct dsc_sched *dsc_sched_find(const char *name);

/* ---- the trainer ---------------------------------------------------------------------------- */

enum { DSC_TRAIN_PARTS_MAX = 18 };

struct dsc_train_config {
    const struct dsc_optim *optim; /* NULL: adamw */
    const struct dsc_sched *sched; /* NULL: linear */
    double lr, weight_decay, clip; /* clip: global norm, 0 = off */
    double beta1, beta2, eps, momentum;
    /*
     * Moving average of the weights, [0, 1); 0: none. After step t of 1, 2, ..
     * mean = d mean + (1 - d) w with d = min(ema, (1 + t) / (10 + t)), from the weights at the
     * start (Polyak and Juditsky 1992; the ramp is TensorFlow's ExponentialMovingAverage).
     */
    double ema;
    uint64_t n_steps, n_warmup, seed;
    int64_t batch, micro; /* examples per optimizer step, and per forward pass (0: batch) */
    int n_segments;       /* gradient checkpointing; 1: off */
    int n_parts, parts[DSC_TRAIN_PARTS_MAX]; /* graph outputs, scalars, that are reported */
};

/** The defaults: adamw 5e-5 decay 0.01 clip 1, betas 0.9 0.999, linear, batch 32. */
struct dsc_train_config dsc_train_defaults(void);

/** Where examples come from: fill one tensor per graph input for the given examples. */
struct dsc_train_data {
    int64_t n_examples;
    /** feeds: [n_inputs] zeroed; host tensors, cleared by the trainer. idx: [n]. */
    enum dsc_status (*fill)(void *ctx, const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                            struct dsc_err *err);
    void *ctx;
    const int32_t *length; /* [n_examples], what `fill` pads; NULL: nothing */
};

/** Sort examples idx [n] by length[idx]; of equal ones the first of the data comes first. */
void dsc_order_by_length(const int32_t *length, int64_t n, int64_t *idx);

/** What a step did. */
struct dsc_train_report {
    uint64_t step; /* 1 after the first */
    double loss, lr, grad_norm;
    int64_t n_examples;
    double parts[DSC_TRAIN_PARTS_MAX]; /* means over the batch, as the loss */
};

struct dsc_trainer;

/**
 * loss_output: from dsc_loss_attach. The graph is verified, sorted, and stays unchanged.
 * Errors  UNSUPPORTED  no gradient through some operator; USAGE bad configuration; MEMORY
 */
enum dsc_status dsc_trainer_open(struct dsc_trainer **t, const struct dsc_graph *g, int loss_output,
                                 const struct dsc_train_config *config, int n_params,
                                 const struct dsc_param *params, struct dsc_device *dev,
                                 struct dsc_err *err);
void dsc_trainer_close(struct dsc_trainer *t);

/**
 * One optimizer step on the next examples. Epoch e visits all examples in an order drawn from
 * (seed, e); the last batch of an epoch may be smaller. Where a batch is cut into several forward
 * passes and lengths are known, its examples go by their length: each pass pads little.
 *
 * Errors  DIVERGED  loss or gradient not finite: the step, the examples and the first bad tensor
 */
enum dsc_status dsc_trainer_step(struct dsc_trainer *t, const struct dsc_train_data *data,
                                 struct dsc_train_report *report, struct dsc_err *err);
/**
 * The gradients of a step without the step: weights stay, Dropout passes on, and the next call has
 * the next examples. The gradient of a weight is then read by its name, g: on the host.
 * Errors  as of a step; INCONSISTENT  it is not trained
 */
enum dsc_status dsc_trainer_look(struct dsc_trainer *t, const struct dsc_train_data *data,
                                 struct dsc_train_report *report, struct dsc_err *err);
enum dsc_status dsc_trainer_gradient(const struct dsc_trainer *t, const char *name,
                                     struct dsc_tensor *g, struct dsc_err *err);
uint64_t dsc_trainer_n_done(const struct dsc_trainer *t);
/** Steps of one epoch over n examples. */
uint64_t dsc_train_steps_per_epoch(int64_t n_examples, int64_t batch);

/**
 * Elements of a weight that are 0 in w become 0 and stay so: the weight's, its moments' and its
 * average's. w: on the host, of the weight's shape.
 * Errors  INCONSISTENT  it is not trained, or has another shape
 */
enum dsc_status dsc_trainer_mask(struct dsc_trainer *t, const char *name,
                                 const struct dsc_tensor *w, struct dsc_err *err);

/**
 * Movement pruning (Sanh et al. 2020, arXiv:2005.07683) of a weight W that is read as W times a
 * mask M, at first all 1: every further step adds -(dL / d(W M)) W to its elements' scores, hidden
 * ones too, so that they can come back. Hidden elements keep their value but for momentum and
 * decay. `hide` sets M to 0 where w is 0 (its other values do not matter); dsc_trainer_mask ends
 * it.
 *
 * Memory  score is the caller's, on the host
 * Errors  INCONSISTENT  it is not trained, not followed, or has another shape; MEMORY
 */
enum dsc_status dsc_trainer_follow(struct dsc_trainer *t, const char *name, struct dsc_err *err);
enum dsc_status dsc_trainer_movement(const struct dsc_trainer *t, const char *name,
                                     struct dsc_tensor *score, struct dsc_err *err);
enum dsc_status dsc_trainer_hide(struct dsc_trainer *t, const char *name,
                                 const struct dsc_tensor *w, struct dsc_err *err);

/** The session with the current weights, to evaluate between steps (same graph). */
struct dsc_session *dsc_trainer_session(struct dsc_trainer *t);
/** Copy the weights, or with ema their averages, into the initializers of a graph that has them by
 * name; parts of the loss are left out. */
enum dsc_status dsc_trainer_write_weights(struct dsc_trainer *t, struct dsc_graph *g,
                                          struct dsc_err *err);

/** State that a checkpoint needs, and the caller writes: the number of tensors; then each: weights
 * by name, moments as "m/NAME", "v/NAME", averages as "ema/NAME". */
int dsc_trainer_n_state(const struct dsc_trainer *t);
/** name: n_name bytes are enough for the longest weight name and four more; tensor: on the host. */
enum dsc_status dsc_trainer_get_state(struct dsc_trainer *t, int i, char *name, size_t n_name,
                                      struct dsc_tensor *tensor, struct dsc_err *err);
/** Set one by name (INCONSISTENT: unknown name or another shape), and the position. */
enum dsc_status dsc_trainer_set_state(struct dsc_trainer *t, const char *name,
                                      const struct dsc_tensor *tensor, struct dsc_err *err);
void dsc_trainer_set_n_done(struct dsc_trainer *t, uint64_t n_done);

#endif
