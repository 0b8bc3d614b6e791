/*
 * Epilogues of lowered operators: attribute `act` and three optional inputs in a row, factors
 * (f32 [N]), scale and zero point (one element, host; both or none) of the codes.
 */
#ifndef DSC_EPILOGUE_H
#define DSC_EPILOGUE_H

#include "device/prim.h"
#include "dsc/op.h"

/** The map that runs a node of ai.onnx as an epilogue, by the name that `act` holds; or NULL. */
const char *dsc_epilogue_act(const struct dsc_node *n);
/** Check the inputs from `first` on; *code is the type of the codes, NONE when there are none. */
enum dsc_status dsc_epilogue_infer(const struct dsc_infer *q, int first, int64_t n_cols,
                                   enum dsc_dtype *code, struct dsc_err *err);
struct dsc_epilogue dsc_epilogue_of(const struct dsc_node *n, const struct dsc_tensor *const *in,
                                    int first);

/** Where dsc.QGemm and dsc.QConv have their bias, their epilogue behind it. */
enum { DSC_PACKED_BIAS = 6 };

/** Their packed weights, k x n, scales and bias: sizes that a kernel trusts. Errors: SHAPE. */
enum dsc_status dsc_packed_check(const struct dsc_infer *q, int64_t k, int64_t n,
                                 struct dsc_err *err);

/** Operations of a product on packed weights, whose inner size is attribute "k"; -1: unknown. */
int64_t dsc_packed_flops(const struct dsc_infer *q);

#endif
