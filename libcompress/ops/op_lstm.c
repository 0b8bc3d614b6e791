/*
 * LSTM: gates i, o, f, c in this order, over sequences, in one direction or both.
 *   i = f(Wi x + Ri h' + Pi * c' + bi)    f = f(Wf x + Rf h' + Pf * c' + bf), or 1 - i
 *   c = f * c' + i * g(Wc x + Rc h' + bc)
 *   o = f(Wo x + Ro h' + Po * c + bo)     h = o * h(c)
 * `clip` bounds what the four gates' functions take, not the c of h(c), as in ONNX Runtime.
 * Inputs X, W, R, B, sequence_lens, initial_h, initial_c, P; outputs Y, Y_h, Y_c. ONNX LSTM-14;
 * Hochreiter & Schmidhuber 1997; peepholes: Gers & Schmidhuber 2000.
 */
#include "ops/elementwise.h"
#include "ops/recurrent.h"

enum { I, O, F, C };
enum { STATE }; /* note: h(c) */

/* Peepholes P are in the order of the gates, i, o, f: raw += P * c */
static struct dsc_tensor peephole(const struct dsc_recurrence *r, const struct dsc_tensor *p,
                                  int gate)
{
    return dsc_rnn_part(p, gate * r->n_hidden, 1, &r->n_hidden);
}

static enum dsc_status peep(struct dsc_recurrence *r, const struct dsc_rnn_step *s, int gate,
                            const struct dsc_tensor *c, struct dsc_err *err)
{
    const struct dsc_tensor p = peephole(r, &r->peep, gate);

    return dsc_tensor_is_present(&r->peep) ? dsc_rnn_mul_add(r, &s->raw[gate], c, &p, err) : DSC_OK;
}

static enum dsc_status peep_back(struct dsc_recurrence *r, const struct dsc_rnn_step *s, int gate,
                                 const struct dsc_tensor *c, const struct dsc_tensor *dc,
                                 struct dsc_err *err)
{
    const struct dsc_tensor p = peephole(r, &r->peep, gate), dp = peephole(r, &r->dpeep, gate);

    if (!dsc_tensor_is_present(&r->peep))
        return DSC_OK;
    if (dsc_tensor_is_present(&r->dpeep))
        DSC_TRY(dsc_binary_bwd(r->x->dev, DSC_BINARY_mul, 1, &dp, &s->draw[gate], c, &p, err));
    return dsc_rnn_mul_add(r, dc, &s->draw[gate], &p, err);
}

static enum dsc_status gate(struct dsc_recurrence *r, const struct dsc_rnn_step *s, int g,
                            struct dsc_err *err)
{
    return dsc_rnn_activate(r, g == C ? 1 : 0, &s->act[g], &s->raw[g], err);
}

static enum dsc_status step(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                            struct dsc_err *err)
{
    const struct dsc_activation *h = &r->act[r->dir][2];

    DSC_TRY(dsc_rnn_product(r, I, 4, &s->raw[I], &s->h_prev, err));
    DSC_TRY(peep(r, s, I, &s->c_prev, err));
    DSC_TRY(gate(r, s, I, err));
    if (r->couples_gates) {
        DSC_TRY(dsc_map(r->x->dev, DSC_MAP_affine, (struct dsc_map_param){-1, 1}, &s->act[F],
                        &s->act[I], err));
    } else {
        DSC_TRY(peep(r, s, F, &s->c_prev, err));
        DSC_TRY(gate(r, s, F, err));
    }
    DSC_TRY(gate(r, s, C, err));
    DSC_TRY(dsc_rnn_mul(r, &s->c_next, &s->act[F], &s->c_prev, err));
    DSC_TRY(dsc_rnn_mul_add(r, &s->c_next, &s->act[I], &s->act[C], err));
    DSC_TRY(peep(r, s, O, &s->c_next, err));
    DSC_TRY(gate(r, s, O, err));
    DSC_TRY(dsc_map(r->x->dev, h->fn, h->param, &s->note[STATE], &s->c_next, err));
    return dsc_rnn_mul(r, &s->h_next, &s->act[O], &s->note[STATE], err);
}

static enum dsc_status gate_back(struct dsc_recurrence *r, const struct dsc_rnn_step *s, int g,
                                 const struct dsc_tensor *dact, struct dsc_err *err)
{
    return dsc_rnn_activate_back(r, g == C ? 1 : 0, &s->draw[g], dact, &s->raw[g], &s->act[g], err);
}

/* Input and forget gates, from dc; the forget gate's share goes to i where f is 1 - i. */
static enum dsc_status state_back(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                                  struct dsc_err *err)
{
    const struct dsc_tensor *di = r->tmp[1], *df = r->tmp[2];

    DSC_TRY(dsc_rnn_mul(r, di, &s->dc, &s->act[C], err));
    DSC_TRY(dsc_rnn_mul(r, df, &s->dc, &s->c_prev, err));
    if (r->couples_gates) {
        DSC_TRY(dsc_axpy(r->x->dev, -1, di, df, err));
    } else {
        DSC_TRY(gate_back(r, s, F, df, err));
        DSC_TRY(peep_back(r, s, F, &s->c_prev, &s->dc_prev, err));
    }
    DSC_TRY(gate_back(r, s, I, di, err));
    DSC_TRY(peep_back(r, s, I, &s->c_prev, &s->dc_prev, err));
    DSC_TRY(dsc_rnn_mul(r, di, &s->dc, &s->act[I], err));
    return gate_back(r, s, C, di, err);
}

static enum dsc_status back(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                            struct dsc_err *err)
{
    const struct dsc_activation *h = &r->act[r->dir][2];
    const struct dsc_tensor *dact = r->tmp[1];

    DSC_TRY(dsc_rnn_mul(r, dact, &s->dh, &s->note[STATE], err));
    DSC_TRY(gate_back(r, s, O, dact, err));
    DSC_TRY(dsc_rnn_mul(r, dact, &s->dh, &s->act[O], err));
    DSC_TRY(
        dsc_map_bwd(r->x->dev, h->fn, h->param, &s->dc, dact, &s->c_next, &s->note[STATE], err));
    DSC_TRY(peep_back(r, s, O, &s->c_next, &s->dc, err));
    DSC_TRY(dsc_rnn_mul_add(r, &s->dc_prev, &s->dc, &s->act[F], err));
    DSC_TRY(state_back(r, s, err));
    for (int g = I; g <= C; g++)
        DSC_TRY(dsc_rnn_product_back(r, g, &s->dh_prev, &s->draw[g], err));
    return DSC_OK;
}

const struct dsc_cell dsc_cell_lstm = {.n_gates = 4,
                                       .n_joined = 4,
                                       .n_acts = 3,
                                       .acts = {"Sigmoid", "Tanh", "Tanh"},
                                       .has_state = true,
                                       .n_notes = 1,
                                       .step = step,
                                       .back = back};

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    return dsc_rnn_infer(&dsc_cell_lstm, q, err);
}

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    return dsc_rnn_forward(&dsc_cell_lstm, x, n, in, out, err);
}

static enum dsc_status backward(DSC_BACKWARD_PARAMS)
{
    return dsc_rnn_backward(&dsc_cell_lstm, x, n, saved, dout, din, err);
}

const struct dsc_op dsc_op_lstm = {
    .onnx = "LSTM",
    .n_in = 3,
    .n_in_optional = 5,
    .n_out = 1,
    .n_out_optional = 2,
    .since = 7,
    .host_in = DSC_IN(DSC_RNN_LENS),
    .saves = DSC_IN(0) | DSC_IN(1) | DSC_IN(2) | DSC_IN(3) | DSC_IN(4) | DSC_IN(5) | DSC_IN(6) |
             DSC_IN(7),
    .param_in =
        DSC_IN(DSC_RNN_W) | DSC_IN(DSC_RNN_R) | DSC_IN(DSC_RNN_BIAS) | DSC_IN(DSC_RNN_PEEPHOLES),
    .quant = DSC_QUANT_RECURRENT,
    .prune = DSC_PRUNE_RECURRENT,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .flops = dsc_rnn_flops,
    .min_opset = dsc_rnn_min_opset,
};
