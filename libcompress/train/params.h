/* The rule of docs/adr/0003, shared by what finds, splits and compares trainable tensors. */
#ifndef DSC_PARAMS_H
#define DSC_PARAMS_H

#include "dsc/train.h"

/** What the nodes say of a value: bits of params_mark. */
enum {
    PARAM_IS_WEIGHT = 1,  /* reaches a parameter input */
    PARAM_MAY_BE_ONE = 2, /* of those that are weights with one element too */
    PARAM_IS_SCALE = 4,   /* learned scale of FakeQuantize */
    PARAM_IS_OFFSET = 8,  /* and its learned offset */
    PARAM_HAS_DECAY = 16, /* though it be a scale */
};

/** Does input k of the node make its tensor a weight, given the marks of the node's outputs? */
unsigned params_mark_of(const struct dsc_graph *g, const struct dsc_node *n, int k,
                        const unsigned char *marks);

/** Marks of all values, [n_values] in `arena`. The graph is sorted. */
enum dsc_status params_mark(const struct dsc_graph *g, struct dsc_arena *arena,
                            unsigned char **marks, struct dsc_err *err);

/** Trainable by the rule, whatever --freeze says. */
bool params_is_trainable(const struct dsc_value *v, unsigned mark);

/** All elements are equal, and there are any. */
bool params_is_uniform(const struct dsc_tensor *t);

#endif
