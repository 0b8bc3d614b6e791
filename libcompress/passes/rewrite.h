/* What passes share: looking at values, making constants and nodes. */
#ifndef DSC_REWRITE_H
#define DSC_REWRITE_H

#include "dsc/graph.h"
#include "dsc/op.h"

/** The node that makes a value, or NULL (input, initializer, absent). Needs a sorted graph. */
struct dsc_node *dsc_producer(const struct dsc_graph *g, int value);
bool dsc_node_is(const struct dsc_node *n, const char *domain, const char *op);
/** Gemm without transA, alpha and beta, or MatMul. */
bool dsc_is_plain_product(const struct dsc_node *n);
/**
 * The Reshape to [rows, K] that makes a value, or NULL. It stands between the codes of an
 * activation and its products (docs/adr/0002, spelling C).
 */
struct dsc_node *dsc_rows_of(const struct dsc_graph *g, int value);
/** A matrix [R,C] into one of shape [C,R] and the same type (of whole bytes). */
void dsc_copy_transposed(const struct dsc_tensor *dst, const struct dsc_tensor *src);
/** A scale as FakeQuantize takes it: a learned one can pass 0, a file's must not. */
float dsc_usable_scale(float scale);
/** A constant: an initializer that is no graph input. */
const struct dsc_tensor *dsc_constant(const struct dsc_graph *g, int value);
/** New initializers; `name` is made unique by a number when it is taken. */
enum dsc_status dsc_add_init(struct dsc_graph *g, const char *name, const struct dsc_tensor *t,
                             int *id, struct dsc_err *err);
enum dsc_status dsc_add_i64s(struct dsc_graph *g, const char *name, int n, const int64_t *v,
                             int *id, struct dsc_err *err);
/** A new value of unknown type; `name` as in dsc_add_init. */
enum dsc_status dsc_add_value(struct dsc_graph *g, const char *name, int *id, struct dsc_err *err);
/** A node with one new output, named after it. */
enum dsc_status dsc_add_node(struct dsc_graph *g, const char *domain, const char *op,
                             const char *name, int n_in, const int *in, int *out,
                             struct dsc_node **node, struct dsc_err *err);
/** Room for inputs: absent ones behind those that the node has. */
enum dsc_status dsc_node_grow(struct dsc_graph *g, struct dsc_node *n, int n_in,
                              struct dsc_err *err);
/** Replace a node's uses of one value by another, in input k only. */
static inline void dsc_set_in(struct dsc_node *n, int k, int value)
{
    n->in[k] = value;
}

#endif
