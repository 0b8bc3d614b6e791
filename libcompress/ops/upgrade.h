/*
 * Helpers for `upgrade`: bringing a node of an older opset to the newest form, and writing one
 * node as several.
 */
#ifndef DSC_UPGRADE_H
#define DSC_UPGRADE_H

#include "dsc/op.h"

/**
 * An INTS attribute becomes a 1-D int64 initializer at input `in_idx`; nothing happens without the
 * attribute. Inputs in between are left out.
 */
enum dsc_status dsc_upgrade_ints(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                 int in_idx, struct dsc_err *err);
/** A FLOAT attribute becomes a scalar initializer of `dtype` at input `in_idx`. */
enum dsc_status dsc_upgrade_float(struct dsc_graph *g, struct dsc_node *n, const char *attr,
                                  enum dsc_dtype dtype, int in_idx, struct dsc_err *err);
/** Wire input `in_idx` of the node to a value; inputs in between are left out. */
enum dsc_status dsc_node_set_in(struct dsc_graph *g, struct dsc_node *n, int in_idx, int value,
                                struct dsc_err *err);

/**
 * `upgrade` of element-wise operators with two inputs. Up to opset 6 the attribute `axis` says at
 * which axis of the first input the second one begins; without it they end together, as now.
 *
 * Errors  UNSUPPORTED  the ranks are needed and not declared
 */
enum dsc_status dsc_upgrade_broadcast(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                                      struct dsc_err *err);
/** Give input `in_idx` so many axes of size 1 at its end that, beginning at `axis` of input 0, it
 *  ends with it. */
enum dsc_status dsc_upgrade_align(struct dsc_graph *g, struct dsc_node *n, int in_idx, int axis,
                                  struct dsc_err *err);

/** New initializers named after the node: a scalar of a dtype, or a list of int64. */
enum dsc_status dsc_upgrade_scalar(struct dsc_graph *g, const struct dsc_node *n, const char *what,
                                   enum dsc_dtype dtype, double v, int *id, struct dsc_err *err);
enum dsc_status dsc_upgrade_list(struct dsc_graph *g, const struct dsc_node *n, const char *what,
                                 const int64_t *v, int n_v, int *id, struct dsc_err *err);

#endif
