/* Pad: its numbers, and the modes that repeat the tensor's own elements. */
#ifndef DSC_PAD_H
#define DSC_PAD_H

#include "device/prim.h"
#include "dsc/op.h"

/** Larger pads are refused, so that sums of sizes and pads fit. */
#define DSC_PAD_MAX ((int64_t)1 << 48)

struct dsc_pads {
    int64_t before[DSC_MAX_RANK], after[DSC_MAX_RANK]; /* negative: cut */
};

/** Inputs 1 (pads) and 3 (axes; may be absent) of the node, for data of `rank`. Errors: SHAPE .. */
enum dsc_status dsc_pads_read(const struct dsc_tensor *const *v, int n_v, int rank,
                              struct dsc_pads *p, struct dsc_err *err);

/**
 * y = `from` padded by mode "reflect", "edge" or "wrap": rows taken by an index, one axis after
 * another. Unpad adds the adjoint to dx: scatters in the opposite order.
 */
enum dsc_status dsc_pad_by_index(struct dsc_exec *x, const char *mode, const struct dsc_pads *p,
                                 struct dsc_tensor *y, const struct dsc_tensor *from,
                                 struct dsc_err *err);
enum dsc_status dsc_unpad_by_index(struct dsc_exec *x, const char *mode, const struct dsc_pads *p,
                                   struct dsc_tensor *dx, const struct dsc_tensor *from,
                                   struct dsc_err *err);

#endif
