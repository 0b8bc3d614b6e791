/*
 * Bundles: named tensors without a graph. Calibration statistics, training state and weight files
 * travel as bundles, so that the parts that make them need no file format.
 *
 * Names and text live in the bundle's arena; tensors are references.
 */
#ifndef DSC_BUNDLE_H
#define DSC_BUNDLE_H

#include "dsc/arena.h"
#include "dsc/tensor.h"

#include <stdbool.h>

struct dsc_named_tensor {
    char *name;
    struct dsc_tensor tensor;
};

struct dsc_bundle_meta {
    char *key, *value;
};

/** Zero-initialise, or dsc_bundle_init. Items keep the order of their adding until sorted. */
struct dsc_bundle {
    struct dsc_arena arena;
    struct dsc_named_tensor *items;
    struct dsc_bundle_meta *meta;
    int n, cap;
    int n_meta, cap_meta;
    bool is_sorted; /* by name: find is a binary search */
};

void dsc_bundle_init(struct dsc_bundle *b);
/** Releases all tensors; may be repeated. */
void dsc_bundle_clear(struct dsc_bundle *b);

/** Add a reference of t under a copy of name. Doubles are found by dsc_bundle_sort. */
enum dsc_status dsc_bundle_add(struct dsc_bundle *b, const char *name, const struct dsc_tensor *t,
                               struct dsc_err *err);
/** Sort by name (byte order). Errors: DUP, a name that stands twice. */
enum dsc_status dsc_bundle_sort(struct dsc_bundle *b, struct dsc_err *err);
/** The tensor of that name, or NULL. */
const struct dsc_tensor *dsc_bundle_find(const struct dsc_bundle *b, const char *name);

/** Text beside the tensors; set replaces. */
enum dsc_status dsc_bundle_set_meta(struct dsc_bundle *b, const char *key, const char *value,
                                    struct dsc_err *err);
const char *dsc_bundle_meta(const struct dsc_bundle *b, const char *key); /* or NULL */

#endif
