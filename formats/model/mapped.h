/* Tensors that point into mapped files. */
#ifndef MAPPED_H
#define MAPPED_H

#include "dsc/io.h"
#include "dsc/tensor.h"

/**
 * A buffer with one reference that owns a file and closes it with the last tensor. Takes over *f,
 * also when it fails. Errors: MEMORY
 */
enum dsc_status mapped_buffer(struct dsc_file *f, struct dsc_buffer **b, struct dsc_err *err);

/** A tensor over bytes of `owner`, which the caller has checked to be there: a reference where they
 *  are aligned for the type (or `may_misalign`), else a copy. */
enum dsc_status mapped_tensor(struct dsc_tensor *t, enum dsc_dtype dtype, int rank,
                              const int64_t *dim, const unsigned char *data,
                              struct dsc_buffer *owner, bool may_misalign, struct dsc_err *err);

#endif
