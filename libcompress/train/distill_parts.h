/* What the loss of distillation is put together from. */
#ifndef DSC_DISTILL_PARTS_H
#define DSC_DISTILL_PARTS_H

#include "dsc/distill.h"

/** A number of an element type: an input of `d`'s ramps where it changes. */
enum dsc_status dsc_distill_number(struct dsc_graph *g, enum dsc_dtype dtype, struct dsc_distill *d,
                                   const struct dsc_ramp *r, int *value, struct dsc_err *err);
/** A part that is reported: d's parts keep it until it gets its output. */
void dsc_distill_note(struct dsc_distill *d, const char *name, int value);
/** The weighted terms of d->terms, added to the value *sum; inputs are added for what they need. */
enum dsc_status dsc_dterms_attach(struct dsc_graph *g, enum dsc_dtype dtype, struct dsc_distill *d,
                                  int *sum, struct dsc_err *err);

#endif
