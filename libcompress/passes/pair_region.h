/* The nodes behind a value, up to values that have a counterpart in the other graph. */
#ifndef DSC_PAIR_REGION_H
#define DSC_PAIR_REGION_H

#include "dsc/graph.h"

/** n node numbers of g in topological order; other: [n_values] counterparts, DSC_NO_VALUE: none. */
struct dsc_region {
    const struct dsc_graph *g;
    const int *other;
    bool *is_in;
    int *nodes, n;
};

enum dsc_status dsc_region_init(struct dsc_region *r, const struct dsc_graph *g, const int *other,
                                struct dsc_err *err);
void dsc_region_clear(struct dsc_region *r);
void dsc_region_find(struct dsc_region *r, int value);

#endif
