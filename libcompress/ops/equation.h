/* The equation of an Einsum node against the shapes of its inputs. */
#ifndef DSC_EQUATION_H
#define DSC_EQUATION_H

#include "ops/contract.h"

struct dsc_part {
    int n;
    int label[DSC_MAX_RANK]; /* may repeat */
};

/** size: of each label; 1 where it has none, or DSC_DIM_UNKNOWN and the like. */
struct dsc_equation {
    int n_terms;
    struct dsc_part term[CONTRACT_MAX_TERMS], out;
    int64_t size[CONTRACT_MAX_LABELS];
};

/**
 * in: [n->n_in], ranks known.
 * Errors  SCHEMA  not an equation of so many terms; SHAPE  ranks or sizes that do not fit;
 *         UNSUPPORTED  too many terms or axes
 */
enum dsc_status dsc_equation_parse(const struct dsc_node *n, const struct dsc_type *in,
                                   struct dsc_equation *q, struct dsc_err *err);

#endif
