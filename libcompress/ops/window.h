/* Convolutions and pools: the windows that their attributes describe. */
#ifndef DSC_OPS_WINDOW_H
#define DSC_OPS_WINDOW_H

#include "device/prim.h"
#include "dsc/op.h"

/** Kernels, strides, dilations and pads above it are refused, so that sums of sizes fit. */
#define DSC_WINDOW_MAX ((int64_t)1 << 30)

/**
 * The windows of node n over `rank` axes of sizes in[]: attributes strides, dilations, pads,
 * auto_pad and ceil_mode. Where a size is not known (negative) the result is not, unless the
 * window keeps it: then it is the same. ONNX Conv-22, MaxPool-22, AveragePool-22: with ceil_mode no
 * window begins behind the input and the padding in front of it.
 *
 * Errors  SHAPE  a list of another length, a kernel larger than the padded input
 *         RANGE  a number outside its bounds    UNSUPPORTED  auto_pad
 */
enum dsc_status dsc_window_read(struct dsc_window *w, const struct dsc_node *n, int rank,
                                const int64_t *kernel, const int64_t *in, struct dsc_err *err);

/**
 * The windows of a transposed convolution: in[] are the sizes of its result, out[] those given.
 * Attributes output_padding and output_shape too. ONNX ConvTranspose-22.
 */
enum dsc_status dsc_window_read_transposed(struct dsc_window *w, const struct dsc_node *n, int rank,
                                           const int64_t *kernel, const int64_t *out,
                                           struct dsc_err *err);

/** Attribute kernel_shape into kernel[rank]. Errors: SHAPE, RANGE. */
enum dsc_status dsc_window_kernel(const struct dsc_node *n, int rank, int64_t *kernel,
                                  struct dsc_err *err);

#endif
