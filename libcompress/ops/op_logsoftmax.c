/*
 * LogSoftmax: the logarithm of softmax along one axis. ONNX LogSoftmax-13; older nodes normalise
 * the flattened rest.
 */
#include "ops/softmax.h"

const struct dsc_op dsc_op_logsoftmax = {
    .onnx = "LogSoftmax",
    .n_in = 1,
    .n_out = 1,
    .since = 13,
    .saves = DSC_OUT(0),
    .is_rowwise = true,
    .prune = DSC_PRUNE_ALONG,
    .fn = 1,
    .upgrade = dsc_softmax_upgrade,
    .infer = dsc_softmax_infer,
    .forward = dsc_softmax_forward,
    .backward = dsc_softmax_backward,
};
