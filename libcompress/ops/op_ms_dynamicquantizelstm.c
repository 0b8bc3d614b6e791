/*
 * com.microsoft DynamicQuantizeLSTM: an LSTM whose products run on 8-bit codes. X as a whole, and
 * the state of each step, get a scale and zero point as DynamicQuantizeLinear gives them; weights
 * are constants. Inputs X, W [D,I,4H], R [D,H,4H] codes, B, sequence_lens, initial_h, initial_c, P
 * as of LSTM, then scale and zero point of W and of R, each [D] or [D,4H].
 */
#include "ops/elementwise.h"
#include "ops/recurrent.h"

enum { W_SCALE = 8, W_ZERO, R_SCALE, R_ZERO, N_IN };

/* The LSTM that it is, by the types of float weights. */
static void float_types(const struct dsc_infer *q, struct dsc_type in[DSC_RNN_N_IN])
{
    for (int i = 0; i < DSC_RNN_N_IN; i++)
        in[i] = q->in[i];
    for (int i = DSC_RNN_W; i <= DSC_RNN_R; i++) {
        const struct dsc_type t = q->in[i];

        in[i].dtype = t.dtype == DSC_DTYPE_NONE ? DSC_DTYPE_NONE : DSC_F32;
        for (int k = 1; k < 3 && t.rank == 3; k++)
            in[i].dim[k] = t.dim[3 - k];
    }
}

static enum dsc_status check_codes(const struct dsc_infer *q, int codes, int scale,
                                   struct dsc_err *err)
{
    const struct dsc_type *w = &q->in[codes], *s = &q->in[scale], *z = &q->in[scale + 1];

    if (w->dtype != DSC_DTYPE_NONE && w->dtype != DSC_I8 && w->dtype != DSC_U8)
        return dsc_fail(err, DSC_E_TYPE, "codes of type %s", dsc_dtype_text(w->dtype));
    if (z->dtype != DSC_DTYPE_NONE && w->dtype != DSC_DTYPE_NONE && z->dtype != w->dtype)
        return dsc_fail(err, DSC_E_TYPE, "codes are %s, their zero points %s",
                        dsc_dtype_text(w->dtype), dsc_dtype_text(z->dtype));
    for (int i = 0; i < 2; i++) {
        const struct dsc_type *p = i ? z : s;
        bool is_fit = p->rank < 0 || w->rank < 0 || p->rank == 1 || p->rank == 2;

        for (int k = 0; is_fit && k < p->rank; k++)
            is_fit = p->dim[k] < 0 || w->dim[2 * k] < 0 || p->dim[k] == w->dim[2 * k];
        if (!is_fit)
            return dsc_fail(err, DSC_E_SHAPE,
                            "scales and zero points are [directions] or "
                            "[directions, gates]");
    }
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_type in[DSC_RNN_N_IN];
    struct dsc_infer plain = *q;

    for (int i = W_SCALE; i < N_IN; i++)
        if (!dsc_node_has_in(q->node, i))
            return dsc_fail(err, DSC_E_INCONSISTENT, "input %d is required", i);
    float_types(q, in);
    plain.in = in;
    plain.n_in = DSC_RNN_N_IN;
    if (dsc_node_int(q->node, "layout", 0) != 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "layout 1");
    DSC_TRY(check_codes(q, DSC_RNN_W, W_SCALE, err));
    DSC_TRY(check_codes(q, DSC_RNN_R, R_SCALE, err));
    return dsc_rnn_infer(&dsc_cell_lstm, &plain, err);
}

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    const struct dsc_rnn_codes w = {in[DSC_RNN_W], in[W_SCALE], in[W_ZERO]};
    const struct dsc_rnn_codes r = {in[DSC_RNN_R], in[R_SCALE], in[R_ZERO]};

    return dsc_rnn_forward_codes(&dsc_cell_lstm, x, n, in, &w, &r, out, err);
}

const struct dsc_op dsc_op_ms_dynamicquantizelstm = {
    .onnx = "DynamicQuantizeLSTM",
    .domain = "com.microsoft",
    .n_in = 3,
    .n_in_optional = N_IN - 3,
    .n_out = 1,
    .n_out_optional = 2,
    .since = 1,
    .host_in = DSC_IN(DSC_RNN_LENS),
    .infer = infer,
    .forward = forward,
};
