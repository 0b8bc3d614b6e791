/*
 * Distillation: what a student learns from a teacher, beside the labels.
 *
 * The loss is part of the student's graph, as in training; what the teacher says comes in by
 * inputs that are added to it. Numbers that change while training runs are inputs, too.
 */
#ifndef DSC_DISTILL_H
#define DSC_DISTILL_H

#include "dsc/encoder.h"
#include "dsc/train.h"

/** Values at evenly spaced points of a run, straight lines between them; n 1: a constant. */
enum { DSC_RAMP_POINTS_MAX = 8 };
struct dsc_ramp {
    int n;
    double v[DSC_RAMP_POINTS_MAX];
};

/** "3", "8:1" from 8 in the first step to 1 in the last, "1:1:0"; false: it is something else. */
bool dsc_ramp_parse(const char *text, struct dsc_ramp *r);
/** The value in step t, 0-based, of n_steps. */
double dsc_ramp_at(const struct dsc_ramp *r, uint64_t t, uint64_t n_steps);

/* ---- terms: what else of the teacher is learned ---- */

/**
 * A value of the student's graph in the one form that terms see: as dsc/encoder.h has it, but
 * HIDDEN [B, T, D] and KEY [B, H, T, d]. width: of the last axis (of PROBS 0); n_heads: H, where
 * there is one.
 */
struct dsc_dterm_site {
    int value;
    int64_t width, n_heads;
};

/** A student's layer and the teacher's that it learns from. */
struct dsc_dterm_pair {
    struct dsc_dterm_site student[DSC_N_TAPS], teacher[DSC_N_TAPS];
};

/** What a term builds from. */
struct dsc_dterm_args {
    const char *name; /* prefix of names of constants and learned maps */
    const char *loss; /* one of the words of the row */
    int64_t n_heads;  /* relation heads; 0: not said */
    double tau;
    int n_pairs;
    const struct dsc_dterm_pair *pairs;
    int tokens; /* [B, T]: 1 / n for the n tokens of a row that is compared, else 0 */
    int others; /* [B, B]: 1 but on the diagonal */
    enum dsc_dtype dtype;
    int64_t n_rows; /* of the training data */
    uint64_t seed;
};

enum dsc_dterm_map {
    DSC_LAYERS_NONE,
    DSC_LAYERS_BASE,
    DSC_LAYERS_TOP,
    DSC_LAYERS_UNIFORM,
    DSC_LAYERS_LAST,
    DSC_LAYERS_FIRST
};

/**
 * A term appends nodes that compute a scalar: a sum over the pairs of layers, the mean over the
 * rows, and within a row over the tokens (of `tokens`) and what a token has. Learned maps (where
 * the student's width is not the teacher's) are initializers named "dscompress.term..": they are
 * trained and never written. Each file says its formula and source.
 *
 * taps    bits of what it compares
 * losses  "mse|cosine": words that it takes, the first by default; NULL: none
 * map     layers by default: NONE without layers (features), BASE the embeddings
 */
struct dsc_dterm {
    const char *name;
    unsigned taps;
    const char *losses;
    enum dsc_dterm_map map;
    bool skips_last; /* by default the last layer has no part */
    bool takes_heads, takes_tau;
    double tau;
    bool has_tokens, has_others; /* it reads that input */
    bool is_of_first_token;      /* it compares no token by token */
    enum dsc_status (*build)(struct dsc_graph *g, const struct dsc_dterm_args *a, int *loss,
                             struct dsc_err *err);
};

const struct dsc_dterm *dsc_dterm_find(const char *name);

/** One term as it was asked for; pairs: layers of both, from 0, n_pairs 0 until they are known. */
struct dsc_dterm_spec {
    const struct dsc_dterm *term;
    struct dsc_ramp weight;
    const char *loss, *map; /* map: NULL as the row says */
    int64_t n_heads;
    double tau;
    int n_pairs;
    int (*pairs)[2]; /* student's, teacher's */
};

/**
 * KIND[,weight=W][,map=M][,loss=WORD][,heads=N][,tau=X]. W a ramp, >= 0; M uniform, last, first,
 * top, or pairs of layers STUDENT:TEACHER joined by '/': 2:4/4:12.
 * Errors  USAGE
 */
enum dsc_status dsc_dterm_parse(const char *text, struct dsc_arena *arena,
                                struct dsc_dterm_spec *spec, struct dsc_err *err);

/** A value of the teacher that comes in by an input of the student's graph. */
struct dsc_dterm_feed {
    enum dsc_tap tap;
    int layer;
    int input;  /* place in the inputs of the student's graph */
    int output; /* and in the outputs of the teacher's, by dsc_dterms_tap */
};

/**
 * specs     in the order that they were given
 * feeds     what the teacher must say, each once
 * tokens, others  places of inputs (dsc_dterm_args), -1: there is none
 */
struct dsc_dterms {
    int n;
    struct dsc_dterm_spec *specs;
    int n_feeds;
    struct dsc_dterm_feed *feeds;
    int tokens, others;
    int64_t n_rows;
    uint64_t seed;
    const struct dsc_encoder *student, *teacher;
    const struct dsc_graph *teacher_graph;
};

/**
 * Which layers learn from which, and what the teacher must say; fills pairs and feeds. specs,
 * student, teacher, teacher_graph are set before.
 *
 * uniform  student's layer i of S from teacher's round(i L / S) of L (Jiao et al. 2020,
 *          arXiv:1909.10351)
 * last     from L - S + i;  first  from i;  top  the last layer from the last
 * Errors   UNSUPPORTED  one of both has no such layers, or no attention was found in one (the
 *          message says where); USAGE  layers that are not there
 */
enum dsc_status dsc_dterms_plan(struct dsc_dterms *t, struct dsc_arena *arena, struct dsc_err *err);

/** Outputs for the feeds on a graph of the teacher, behind its own; it is sorted and verified. */
enum dsc_status dsc_dterms_tap(struct dsc_dterms *t, struct dsc_graph *teacher,
                               struct dsc_err *err);

/* ---- the loss ---- */

/** A number that changes, and its place among the inputs. */
struct dsc_distill_ramp {
    const struct dsc_ramp *ramp;
    int input;
};

enum { DSC_DISTILL_RAMPS_MAX = 18 };

/** A part of the loss before its weight, and its place among the outputs. */
struct dsc_distill_part {
    const char *name;
    int output;
};

/**
 * alpha * soft + (1 - alpha) * hard, soft being kl at `temperature` on the teacher's logits (Hinton
 * et al. 2015, arXiv:1503.02531), or mse on its outputs where `hard` is mse. Logits [B, 1] of two
 * classes (bce) count as [0, logit]: the teacher's are then [B, 2].
 *
 * alpha       0 to 1
 * temperature > 0
 * is_masked   some rows have no target: `hard` of them counts as 0. The mean is over all rows
 * terms       NULL, or planned: their weighted sum is added
 *
 * The rest is filled by dsc_distill_attach: places among the graph's inputs, -1: there is none.
 *
 * target      as of dsc_loss_attach
 * teacher     the teacher's outputs
 * labelled    [B, 1], [B] with outputs of rank 1: 1 where a row has a target, else 0
 * ramps       scalars, by dsc_ramp_at
 * parts       soft, hard, and the terms, for reports; the first DSC_TRAIN_PARTS_MAX
 */
struct dsc_distill {
    struct dsc_ramp alpha, temperature;
    bool is_masked;
    struct dsc_dterms *terms;
    int target, teacher, labelled, n_ramps;
    struct dsc_distill_ramp ramps[DSC_DISTILL_RAMPS_MAX];
    int n_parts;
    struct dsc_distill_part parts[DSC_TRAIN_PARTS_MAX];
};

/** As dsc_loss_attach, with a teacher. `d` outlives the use of its ramps. */
enum dsc_status dsc_distill_attach(struct dsc_graph *g, int output, const struct dsc_loss *hard,
                                   const char *target_name, struct dsc_distill *d, int *loss_output,
                                   struct dsc_err *err);

#endif
