/*
 * Writing one node as several plain ones, on reading: what `upgrade` of com.microsoft's operators
 * does. The first error sticks; values after it mean nothing, so a caller checks once, at the end.
 */
#ifndef DSC_COMPOSE_H
#define DSC_COMPOSE_H

#include "dsc/op.h"

struct dsc_compose {
    struct dsc_graph *g;
    struct dsc_node *n; /* the node that is replaced */
    struct dsc_err *err;
    enum dsc_status st;
    struct dsc_node *made; /* the last one, for its attributes */
};

/** A node of ai.onnx on up to two inputs (b may be DSC_NO_VALUE); returns its output. */
int dsc_compose(struct dsc_compose *c, const char *op, int a, int b);
int dsc_compose_of(struct dsc_compose *c, const char *op, int n_in, const int *in);
/** The last node gives output `output_idx` of the node that is replaced, if that is wanted. */
void dsc_compose_out(struct dsc_compose *c, int output_idx);
void dsc_compose_int(struct dsc_compose *c, const char *attr, int64_t v);
void dsc_compose_float(struct dsc_compose *c, const char *attr, float v);
void dsc_compose_ints(struct dsc_compose *c, const char *attr, const int64_t *v, int n_v);
/** Initializers: a list of int64, a scalar. */
int dsc_compose_list(struct dsc_compose *c, const int64_t *v, int n_v);
int dsc_compose_scalar(struct dsc_compose *c, enum dsc_dtype dtype, double v);
/** Input of the replaced node, or DSC_NO_VALUE. */
int dsc_compose_in(const struct dsc_compose *c, int i);
void dsc_compose_fail(struct dsc_compose *c, const char *what);
/** Remove the node if all went well. */
enum dsc_status dsc_compose_end(struct dsc_compose *c);

/** For the record of an operator that is always rewritten. */
enum dsc_status dsc_infer_rewritten(struct dsc_infer *q, struct dsc_err *err);

#endif
