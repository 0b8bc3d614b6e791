/*
 * A model of Keras while it is read: its layers and their calls (keras_calls.c), which
 * keras_model.c builds.
 */
#ifndef KERAS_CALLS_H
#define KERAS_CALLS_H

#include "model/keras.h"

/** Output `tensor` of call `node` of a layer. */
struct keras_ref {
    const char *layer;
    int64_t node, tensor;
};

struct keras_call {
    int layer;
    struct keras_ref *in;
    int n_in, n_there; /* those before n_there have been built */
    int *out;
    int n_out;
    bool is_open, is_done;
};

struct keras_model {
    const json_t *config;
    struct keras_layer *layers;
    int n_layers;
    int *by_name; /* [n_layers] layers by `own` */
    struct keras_call *calls;
    int n_calls, cap_calls;
    int *first_call; /* [n_layers + 1]: those of a layer follow each other */
    /** One call, whose inputs are there: fills its outputs. */
    void (*build)(struct keras_build *b, struct keras_layer *l, struct keras_call *c,
                  const int *in);
};

/** The layers in the order of their names, each of which stands once. Errors: DUP */
void keras_sort_layers(struct keras_build *b, struct keras_model *m);
/** The calls that "inbound_nodes" tell of. Errors: SCHEMA, UNSUPPORTED (arguments), LIMIT */
void keras_read_calls(struct keras_build *b, struct keras_model *m);
/** "input_layers", "output_layers": how many are in r [KERAS_MAX_INPUTS]. Errors: SCHEMA */
int keras_read_refs(struct keras_build *b, const struct keras_model *m, const char *key,
                    struct keras_ref *r);
struct keras_call *keras_find_call(const struct keras_model *m,
                                   const struct keras_ref *r); /* or NULL */
/** Every call, after those that it reads. Errors: INCONSISTENT (a circle, a call of nobody) */
void keras_build_calls(struct keras_build *b, struct keras_model *m);
/** The value of r, whose call has been built; DSC_NO_VALUE after a failure. Errors: INCONSISTENT */
int keras_value_of(struct keras_build *b, const struct keras_model *m, const struct keras_ref *r);

#endif
