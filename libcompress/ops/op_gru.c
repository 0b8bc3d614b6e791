/*
 * GRU: gates z, r, h in this order, over sequences, in one direction or both.
 *   z = f(Wz x + Rz h' + bz)    r = f(Wr x + Rr h' + br)
 *   n = g(Wh x + Rh (r * h') + Rbh + Wbh), or with linear_before_reset
 *   n = g(Wh x + r * (Rh h' + Rbh) + Wbh)
 *   h = (1 - z) * n + z * h'
 * Inputs X, W, R, B, sequence_lens, initial_h; outputs Y, Y_h. ONNX GRU-14; Cho et al. 2014,
 * arXiv:1406.1078.
 */
#include "ops/elementwise.h"
#include "ops/recurrent.h"

enum { Z, RESET, NEW };
enum { RECURRENT, CHANGE }; /* notes: what r scales or has scaled; h' - n */

/* Rh h' + Rbh */
static enum dsc_status reset_product(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                                     struct dsc_err *err)
{
    const struct dsc_walk to = {.stride = {r->n_hidden, 1}};
    const struct dsc_walk bias = {.offset = 5 * r->n_hidden, .stride = {0, 1}};
    const struct dsc_tensor *note = &s->note[RECURRENT];

    if (dsc_tensor_is_present(&r->bias))
        DSC_TRY(dsc_copy(r->x->dev, 2, note->dim, note, &to, &r->bias, &bias, err));
    else
        DSC_TRY(dsc_rnn_zero(r, note, err));
    DSC_TRY(dsc_rnn_product(r, NEW, 1, note, &s->h_prev, err));
    return dsc_rnn_mul_add(r, &s->raw[NEW], &s->act[RESET], note, err);
}

static enum dsc_status step(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                            struct dsc_err *err)
{
    const struct dsc_tensor *note = s->note;

    DSC_TRY(dsc_rnn_product(r, Z, 2, &s->raw[Z], &s->h_prev, err));
    DSC_TRY(dsc_rnn_activate(r, 0, &s->act[Z], &s->raw[Z], err));
    DSC_TRY(dsc_rnn_activate(r, 0, &s->act[RESET], &s->raw[RESET], err));
    if (r->resets_product) {
        DSC_TRY(reset_product(r, s, err));
    } else {
        DSC_TRY(dsc_rnn_mul(r, &note[RECURRENT], &s->act[RESET], &s->h_prev, err));
        DSC_TRY(dsc_rnn_product(r, NEW, 1, &s->raw[NEW], &note[RECURRENT], err));
    }
    DSC_TRY(dsc_rnn_activate(r, 1, &s->act[NEW], &s->raw[NEW], err));
    DSC_TRY(dsc_binary(r->x->dev, DSC_BINARY_sub, &note[CHANGE], &s->h_prev, &s->act[NEW], err));
    DSC_TRY(dsc_rnn_mul(r, r->tmp[1], &s->act[Z], &note[CHANGE], err));
    return dsc_binary(r->x->dev, DSC_BINARY_add, &s->h_next, r->tmp[1], &s->act[NEW], err);
}

/* From draw of the new state to draw of r and to h'; `drec` is what reached Rh's product. */
static enum dsc_status reset_back(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                                  struct dsc_err *err)
{
    const struct dsc_tensor *dn = &s->draw[NEW], *dreset = r->tmp[2];
    const struct dsc_tensor *scaled = &s->drec;

    DSC_TRY(dsc_rnn_zero(r, dreset, err));
    if (r->resets_product) {
        DSC_TRY(dsc_rnn_mul_add(r, dreset, dn, &s->note[RECURRENT], err));
        DSC_TRY(dsc_rnn_mul_add(r, scaled, dn, &s->act[RESET], err));
        DSC_TRY(dsc_rnn_product_back(r, NEW, &s->dh_prev, scaled, err));
    } else {
        DSC_TRY(dsc_rnn_product_back(r, NEW, scaled, dn, err));
        DSC_TRY(dsc_rnn_mul_add(r, dreset, scaled, &s->h_prev, err));
        DSC_TRY(dsc_rnn_mul_add(r, &s->dh_prev, scaled, &s->act[RESET], err));
    }
    return dsc_rnn_activate_back(r, 0, &s->draw[RESET], dreset, &s->raw[RESET], &s->act[RESET],
                                 err);
}

static enum dsc_status back(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                            struct dsc_err *err)
{
    const struct dsc_tensor *dz = r->tmp[1], *dn = r->tmp[2];

    DSC_TRY(dsc_rnn_mul(r, dz, &s->dh, &s->note[CHANGE], err));
    DSC_TRY(dsc_rnn_activate_back(r, 0, &s->draw[Z], dz, &s->raw[Z], &s->act[Z], err));
    DSC_TRY(dsc_rnn_mul(r, dz, &s->dh, &s->act[Z], err));
    DSC_TRY(dsc_axpy(r->x->dev, 1, &s->dh_prev, dz, err));
    DSC_TRY(dsc_binary(r->x->dev, DSC_BINARY_sub, dn, &s->dh, dz, err));
    DSC_TRY(dsc_rnn_activate_back(r, 1, &s->draw[NEW], dn, &s->raw[NEW], &s->act[NEW], err));
    DSC_TRY(reset_back(r, s, err));
    DSC_TRY(dsc_rnn_product_back(r, Z, &s->dh_prev, &s->draw[Z], err));
    return dsc_rnn_product_back(r, RESET, &s->dh_prev, &s->draw[RESET], err);
}

const struct dsc_cell dsc_cell_gru = {.n_gates = 3,
                                      .n_joined = 2,
                                      .n_acts = 2,
                                      .acts = {"Sigmoid", "Tanh"},
                                      .n_notes = 2,
                                      .step = step,
                                      .back = back};

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    return dsc_rnn_infer(&dsc_cell_gru, q, err);
}

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    return dsc_rnn_forward(&dsc_cell_gru, x, n, in, out, err);
}

static enum dsc_status backward(DSC_BACKWARD_PARAMS)
{
    return dsc_rnn_backward(&dsc_cell_gru, x, n, saved, dout, din, err);
}

const struct dsc_op dsc_op_gru = {
    .onnx = "GRU",
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
