/*
 * Keras models: what the parts of the reader share.
 *
 * fmt_keras.c        which files, and the graph as a whole
 * keras_model.c      layers, inputs and outputs of a model
 * keras_calls.c      the calls of its layers, in the order in which they can be built
 * keras_config.c     values of config.json
 * keras_blocks.c     building blocks
 * keras_weights.c    a layer's weights, by the names of either kind of file
 * keras_layers.def   one row per layer class, with its function
 * keras_core.c keras_merge.c keras_norm.c keras_recurrent.c keras_attention.c keras_conv.c
 *                    those functions
 *
 * Values keep Keras' order of axes (channels last); what ONNX wants otherwise is turned around it.
 * Nothing of a file is run: a class without a row, and an option that no row knows, is UNSUPPORTED.
 *
 * Source  Keras 3.15: saving_lib.py (config.json, model.weights.h5), legacy/saving (.h5); layers/
 */
#ifndef KERAS_H
#define KERAS_H

#include "dsc/graph.h"
#include "dsc/log.h"
#include "formats_model.h"

#include <jansson.h>

enum {
    KERAS_MAX_LAYERS = 4096,
    KERAS_MAX_NESTING = 8,
    KERAS_MAX_INPUTS = 64, /* of one call */
    KERAS_MAX_CALLS = 8192,
    KERAS_NAME_BYTES = 256
};

struct keras_build;

/** A row of keras_layers.def. */
struct keras_class {
    const char *name;
    /** The output of one call of the layer b->layer; DSC_NO_VALUE after a failure. */
    int (*build)(struct keras_build *b, int n_in, const int *in);
    int max_in;
    const char *keys; /* options that the function reads; others must be null, false or harmless */
};

struct keras_layer {
    const char *name; /* with the names of the models around it: "encoder/dense" */
    const char *own;  /* "dense" */
    const char *class_name;
    const struct keras_class *row; /* NULL: a model */
    const json_t *config;
    const char *path; /* .keras: "layers/sequential/layers/dense_1" */
    const char
        *group;    /* .h5: of the layer of the outermost model; NULL in it: set when it is met */
    bool is_inner; /* of a model in a model */
    bool is_op;    /* a function of keras.ops, not a layer */
    bool is_checked;
    int first_name, n_names; /* numbers of nodes: of this call on, of all calls so far */
};

/** One building of one graph. After a failure `st` is set and every step does nothing. */
struct keras_build {
    struct dsc_graph *g;
    const struct dsc_model *m; /* its weights */
    bool *is_used;             /* [m->n_stored] */
    bool has_paths;            /* .keras: weights by paths; else .h5: by names */
    int version;               /* of Keras, the major */
    int depth;
    int64_t batch; /* symbol */
    struct keras_layer *layer;
    const json_t *kwargs; /* of the call, may be NULL */
    int *channels_first;  /* [n_turned][2]: a value, and the same with channels first */
    int n_turned, cap_turned;
    struct dsc_arena tmp;
    const struct dsc_log *log;
    enum dsc_status st;
    struct dsc_err *err;
};

/** Parts of a layer that have weights of their own: the names in both kinds of files. */
struct keras_part {
    const char *scope; /* .h5: a folder of the dataset's name; NULL: any */
    const char *path;  /* .keras: behind the layer's path; "": the layer itself */
};
extern const struct keras_part keras_whole; /* the layer itself */

/** The graph of a model's configuration; its weights are m->stored. Errors: UNSUPPORTED, SCHEMA,
 *  INCONSISTENT, naming the layer */
enum dsc_status keras_read_model(struct dsc_model *m, const json_t *root, bool has_paths,
                                 int version, const struct dsc_log *log, struct dsc_err *err);

/** A full .h5, whose datasets and texts have been read. */
enum dsc_status keras_read_h5(struct dsc_model *m, const struct dsc_log *log, struct dsc_err *err);

extern const struct dsc_format dsc_format_keras;

/** b->st, after a step. */
bool keras_step(struct keras_build *b, enum dsc_status st);
/** A failure of the layer that is built; returns DSC_NO_VALUE. */
int keras_fail(struct keras_build *b, enum dsc_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Zeroed, until the graph is there; NULL after a failure. */
void *keras_alloc(struct keras_build *b, size_t n, size_t elem_bytes);

bool keras_is_text(const json_t *v, const char *text);
/* Options of the layer. A value of another kind is SCHEMA. */
int64_t keras_int(struct keras_build *b, const char *key, int64_t fallback);
double keras_float(struct keras_build *b, const char *key, double fallback);
bool keras_bool(struct keras_build *b, const char *key, bool fallback);
const char *keras_text(struct keras_build *b, const char *key, const char *fallback);
/** n integers, or one that stands for all; false when it is absent or null. */
bool keras_ints(struct keras_build *b, const char *key, int n, int64_t *v);
/** The name of a function: "relu", also in the form of an object. */
const char *keras_function(struct keras_build *b, const char *key, const char *fallback);
/** The dims of a shape, batch included, into t; false when there is none. */
bool keras_shape(struct keras_build *b, const json_t *shape, struct dsc_type *t);
const json_t *keras_option(const struct keras_build *b, const char *key); /* or NULL */

/** Every option is one that the row knows, or one that changes nothing. */
void keras_check_options(struct keras_build *b);

/* Building blocks. */
struct keras_attr {
    const char *key;
    enum dsc_attr_kind kind;
    int64_t i;
    double f;
    const char *s;
    const int64_t *ints;
    int n;
};

#define KERAS_INT(name, v)                            \
    {                                                 \
        .key = (name), .kind = DSC_ATTR_INT, .i = (v) \
    }
#define KERAS_FLOAT(name, v)                            \
    {                                                   \
        .key = (name), .kind = DSC_ATTR_FLOAT, .f = (v) \
    }
#define KERAS_TEXT(name, v)                              \
    {                                                    \
        .key = (name), .kind = DSC_ATTR_STRING, .s = (v) \
    }
#define KERAS_INTS(name, v, count)                                      \
    {                                                                   \
        .key = (name), .kind = DSC_ATTR_INTS, .ints = (v), .n = (count) \
    }

/** A node of the layer with n_out outputs, whose types are known then. */
void keras_node(struct keras_build *b, const char *op, int n_in, const int *in, int n_out, int *out,
                int n_attrs, const struct keras_attr *attrs);
/** One output. */
int keras_op(struct keras_build *b, const char *op, int n_in, const int *in, int n_attrs,
             const struct keras_attr *attrs);
int keras_op1(struct keras_build *b, const char *op, int x);
int keras_op2(struct keras_build *b, const char *op, int x, int y);
int keras_i64s(struct keras_build *b, const char *what, int64_t n, const int64_t *v);
int keras_f32(struct keras_build *b, const char *what, double v);
int keras_reshape(struct keras_build *b, int x, int n, const int64_t *dim);
int keras_transpose(struct keras_build *b, int x, const int64_t *perm);
int keras_cast(struct keras_build *b, int x, enum dsc_dtype dtype);
/** x by a named activation. Errors: UNSUPPORTED */
int keras_activation(struct keras_build *b, int x, const char *name);
/** It looks at one element at a time. */
bool keras_is_pointwise(const char *activation);
const struct dsc_type *keras_type(const struct keras_build *b, int x);
int keras_rank(const struct keras_build *b, int x);
/** Size of an axis (negative: from the end); -1 when it is not known. */
int64_t keras_dim(const struct keras_build *b, int x, int axis);
/** The same value with channels first, and back to last. */
int keras_channels_first(struct keras_build *b, int x);
int keras_channels_last(struct keras_build *b, int x);
/** All values have been turned: in[i] with channels first in first[i]. */
bool keras_has_channels_first(const struct keras_build *b, int n, const int *in, int *first);

/**
 * The weight `name` of a part; idx: its number among the part's variables. rank, dim: what it must
 * be (-1: any size). *t is the caller's to clear.
 * Errors  INCONSISTENT  not there, twice, or of another shape
 */
bool keras_weight(struct keras_build *b, const struct keras_part *part, const char *name, int idx,
                  int rank, const int64_t *dim, struct dsc_tensor *t);
/** That weight as an initializer "LAYER/name". */
int keras_param(struct keras_build *b, const struct keras_part *part, const char *name, int idx,
                int rank, const int64_t *dim);
/** A tensor as the initializer "LAYER/name", or the one that is there already; clears t. */
int keras_init(struct keras_build *b, const char *name, struct dsc_tensor *t);

/** The row for a configured layer of Keras' own; NULL: there is none, or the class is another's. */
const struct keras_class *keras_find_class(const json_t *entry);
/** "keras.layers", "keras.src.ops.numpy": not "keras_own". */
bool keras_is_module(const char *module);

#define KERAS_RNN_KEYS                                                                      \
    "units activation recurrent_activation use_bias return_sequences go_backwards "         \
    "unroll zero_output_for_mask implementation input_dim input_length time_major dropout " \
    "recurrent_dropout unit_forget_bias"

#define KERAS_CONV_KEYS "kernel_size strides padding dilation_rate activation use_bias rank"

#define KERAS_LAYER(name, build, max_in, keys) \
    int build(struct keras_build *b, int n_in, const int *in);
#include "model/keras_layers.def"
#undef KERAS_LAYER

#endif
