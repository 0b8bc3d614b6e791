/*
 * RNN: h_t = f(W x_t + R h_{t-1} + Wb + Rb), over sequences, in one direction or both.
 * Inputs X, W, R, B, sequence_lens, initial_h; outputs Y, Y_h. ONNX RNN-14; Elman 1990.
 */
#include "ops/elementwise.h"
#include "ops/recurrent.h"

static enum dsc_status step(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                            struct dsc_err *err)
{
    DSC_TRY(dsc_rnn_product(r, 0, 1, &s->raw[0], &s->h_prev, err));
    return dsc_rnn_activate(r, 0, &s->h_next, &s->raw[0], err);
}

static enum dsc_status back(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                            struct dsc_err *err)
{
    DSC_TRY(dsc_rnn_activate_back(r, 0, &s->draw[0], &s->dh, &s->raw[0], &s->h_next, err));
    return dsc_rnn_product_back(r, 0, &s->dh_prev, &s->draw[0], err);
}

const struct dsc_cell dsc_cell_rnn = {
    .n_gates = 1, .n_joined = 1, .n_acts = 1, .acts = {"Tanh"}, .step = step, .back = back};

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    return dsc_rnn_infer(&dsc_cell_rnn, q, err);
}

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    return dsc_rnn_forward(&dsc_cell_rnn, x, n, in, out, err);
}

static enum dsc_status backward(DSC_BACKWARD_PARAMS)
{
    return dsc_rnn_backward(&dsc_cell_rnn, x, n, saved, dout, din, err);
}

const struct dsc_op dsc_op_rnn = {
    .onnx = "RNN",
    .n_in = 3,
    .n_in_optional = 3,
    .n_out = 1,
    .n_out_optional = 1,
    .since = 7,
    .host_in = DSC_IN(DSC_RNN_LENS),
    .saves = DSC_IN(0) | DSC_IN(1) | DSC_IN(2) | DSC_IN(3) | DSC_IN(4) | DSC_IN(5),
    .param_in = DSC_IN(DSC_RNN_W) | DSC_IN(DSC_RNN_R) | DSC_IN(DSC_RNN_BIAS),
    .quant = DSC_QUANT_RECURRENT,
    .prune = DSC_PRUNE_RECURRENT,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .flops = dsc_rnn_flops,
    .min_opset = dsc_rnn_min_opset,
};
