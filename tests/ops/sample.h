/*
 * Sample nodes for the property tests: a row of samples.def as a graph of one node.
 *
 * SAMPLE(operator, number of outputs, attributes, inputs), the operator as "Gemm" or
 * "com.microsoft:Gelu". Attributes are words name=value: an integer, a number with a point, a list
 * [1,2], or else a text. Inputs are words:
 *   x[2,3]       floats, normal (f32, or f64 for gradients); p: in [0.5, 2]; u: in [-0.9, 0.9]
 *   i64[2,3]<5   random integers in [0, 5) of any type ("<" default 4, for bool 2)
 *   i64=1,2      a 1-D initializer; i64[]=3 a scalar one, i64[2,1]=3,4 of that shape
 *   -            an input that is left out
 * SAMPLE_DEFINED is one whose gradient is a convention: finite differences do not apply.
 */
#ifndef DSC_TESTS_SAMPLE_H
#define DSC_TESTS_SAMPLE_H

#include "dsc/graph.h"
#include "dsc/op.h"

enum { SAMPLE_MAX_IN = 20, SAMPLE_MAX_OUT = 8 };

struct sample {
    const char *op;
    int n_out;
    const char *attrs, *inputs;
    bool has_defined_grad; /* a convention (straight through), not the derivative */
};

struct sample_graph {
    struct dsc_graph *g;
    struct dsc_node *node;
    int n_feeds; /* graph inputs, in order */
    struct dsc_tensor feed[SAMPLE_MAX_IN];
    int node_in[SAMPLE_MAX_IN]; /* the node's input that a feed is */
};

extern const struct sample samples[];
extern const int n_samples;

const struct dsc_op *sample_op(const struct sample *s);
/** Floats are of `dtype`. Ends the test program on a row that is not well-formed. */
void sample_build(struct sample_graph *sg, const struct sample *s, enum dsc_dtype dtype);
void sample_clear(struct sample_graph *sg);

#endif
