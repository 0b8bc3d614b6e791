/*
 * dsc.PackedRecurrent: LSTM, GRU or RNN (attribute cell) whose R was packed for the product's
 * kernel.
 *
 * Inputs and attributes of that operator, R for its sizes alone; input 8: for each direction the
 * gates that have one product, packed together (f32 elements).
 * Made by dsc_pass_pack_recurrent for running here; never written.
 */
#include "ops/elementwise.h"
#include "ops/recurrent.h"

#include <string.h>

enum { IN_PACKED = DSC_RNN_N_IN };

static const struct dsc_cell *cell_of(const struct dsc_node *n)
{
    const char *name = dsc_node_string(n, "cell", "");

    return strcmp(name, "LSTM") == 0  ? &dsc_cell_lstm
           : strcmp(name, "GRU") == 0 ? &dsc_cell_gru
           : strcmp(name, "RNN") == 0 ? &dsc_cell_rnn
                                      : NULL;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_cell *cell = cell_of(q->node);
    const struct dsc_type *r = &q->in[DSC_RNN_R], *packed = &q->in[IN_PACKED];
    struct dsc_infer plain = *q;
    int64_t n_elems;

    if (!cell)
        return dsc_fail(err, DSC_E_INCONSISTENT, "cell '%s'", dsc_node_string(q->node, "cell", ""));
    if (dsc_type_is_known(r) && dsc_type_is_known(packed) && r->rank == 3 &&
        (r->dim[0] < 1 || !dsc_rnn_packed_elems(cell, r->dim[2], &n_elems) || packed->rank != 1 ||
         packed->dim[0] / r->dim[0] != n_elems || packed->dim[0] % r->dim[0] != 0))
        return dsc_fail(err, DSC_E_SHAPE, "the packed weights are not those of R");
    if ((packed->dtype != DSC_DTYPE_NONE && packed->dtype != DSC_F32) ||
        (q->in[0].dtype != DSC_DTYPE_NONE && q->in[0].dtype != DSC_F32))
        return dsc_fail(err, DSC_E_TYPE, "x and the packed weights are f32");
    plain.n_in = DSC_RNN_N_IN;
    return dsc_rnn_infer(cell, &plain, err);
}

static enum dsc_status forward(DSC_FORWARD_PARAMS)
{
    return dsc_rnn_forward_packed(cell_of(n), x, n, in, in[IN_PACKED], out, err);
}

const struct dsc_op dsc_op_packedrecurrent = {
    .onnx = "PackedRecurrent",
    .domain = "dsc",
    .n_in = 3,
    .n_in_optional = IN_PACKED + 1 - 3,
    .n_out = 1,
    .n_out_optional = 2,
    .host_in = DSC_IN(DSC_RNN_LENS),
    .shape_in = DSC_IN(DSC_RNN_R),
    .infer = infer,
    .forward = forward,
    .flops = dsc_rnn_flops,
};
