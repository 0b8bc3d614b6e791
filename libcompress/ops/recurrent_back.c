/* Recurrent operators: back through time, and the gradients of the weights. */
#include "ops/elementwise.h"
#include "ops/recurrent.h"

enum dsc_status dsc_rnn_activate_back(struct dsc_recurrence *r, int place,
                                      const struct dsc_tensor *draw, const struct dsc_tensor *dy,
                                      const struct dsc_tensor *raw, const struct dsc_tensor *y,
                                      struct dsc_err *err)
{
    const struct dsc_activation *a = &r->act[r->dir][place];
    const struct dsc_map_param limits = {-r->clip, r->clip};

    if (!(r->clip > 0))
        return dsc_map_bwd(r->x->dev, a->fn, a->param, draw, dy, raw, y, err);
    DSC_TRY(dsc_map(r->x->dev, DSC_MAP_clip, limits, r->tmp[0], raw, err));
    DSC_TRY(dsc_rnn_zero(r, r->tmp[3], err));
    DSC_TRY(dsc_map_bwd(r->x->dev, a->fn, a->param, r->tmp[3], dy, r->tmp[0], y, err));
    return dsc_map_bwd(r->x->dev, DSC_MAP_clip, limits, draw, r->tmp[3], raw, NULL, err);
}

enum dsc_status dsc_rnn_product_back(struct dsc_recurrence *r, int gate,
                                     const struct dsc_tensor *dh, const struct dsc_tensor *draw,
                                     struct dsc_err *err)
{
    const int64_t weights = gate * r->n_hidden * r->n_hidden;
    const struct dsc_gemm_spec s = {.m = r->n_batch,
                                    .n = r->n_hidden,
                                    .k = r->n_hidden,
                                    .alpha = 1,
                                    .beta = 1,
                                    .n_batch = 1,
                                    .batch_b = &weights};

    return dsc_gemm(r->x->dev, &s, dh, draw, &r->r, err);
}

/* What one direction goes back with. */
struct back {
    struct dsc_tensor *dy;              /* [S,B,H], zeros past a length; NULL: none */
    struct dsc_tensor *dh[2], *dc[2];   /* [B,H], of the state behind a step and before it */
    struct dsc_tensor *dh_cut, *dc_cut; /* the part within the lengths */
    struct dsc_tensor *dxw;             /* [T*B, D*G*H], of all directions */
};

static enum dsc_status make_back(struct dsc_recurrence *r, struct back *b, bool has_dy,
                                 struct dsc_err *err)
{
    const int64_t gates[4] = {r->n_steps, r->cell->n_gates, r->n_batch, r->n_hidden};
    const int64_t outputs[3] = {r->n_steps, r->n_batch, r->n_hidden};
    const int64_t rows[2] = {r->n_steps * r->n_batch, r->n_dirs * r->cell->n_gates * r->n_hidden};

    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 4, gates, &r->draw, err));
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 3, outputs, &r->drec, err));
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, rows, &b->dxw, err));
    if (has_dy)
        DSC_TRY(dsc_exec_temp(r->x, r->dtype, 3, outputs, &b->dy, err));
    for (int i = 0; i < 2; i++) {
        DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, outputs + 1, &b->dh[i], err));
        DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, outputs + 1, &b->dc[i], err));
    }
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, outputs + 1, &b->dh_cut, err));
    return dsc_exec_temp(r->x, r->dtype, 2, outputs + 1, &b->dc_cut, err);
}

/* dY in the order of the scan. */
static enum dsc_status take_outputs(struct dsc_recurrence *r, struct back *b,
                                    const struct dsc_tensor *dy, struct dsc_err *err)
{
    const int64_t dim[3] = {r->n_steps, r->n_batch, r->n_hidden};
    const struct dsc_walk from = dsc_rnn_walk_outputs(r);
    struct dsc_tensor *all = b->dy;
    struct dsc_walk to = {0};

    dsc_dense_strides(3, dim, to.stride);
    if (r->mask)
        DSC_TRY(dsc_exec_temp(r->x, r->dtype, 3, dim, &all, err));
    DSC_TRY(dsc_copy(r->x->dev, 3, dim, all, &to, dy, &from, err));
    return r->mask ? dsc_select(r->x->dev, b->dy, r->mask, all, r->zero, err) : DSC_OK;
}

/* Gradient of the last state of the direction. */
static enum dsc_status take_state(struct dsc_recurrence *r, const struct dsc_tensor *d,
                                  const struct dsc_tensor *given, struct dsc_err *err)
{
    const struct dsc_walk to = {.stride = {r->n_hidden, 1}}, from = dsc_rnn_walk_state(r);

    return given ? dsc_copy(r->x->dev, 2, d->dim, d, &to, given, &from, err)
                 : dsc_rnn_zero(r, d, err);
}

/* within = d where the mask is set, before = d elsewhere: there the step kept its state. */
static enum dsc_status part_by_mask(struct dsc_recurrence *r, int64_t step,
                                    const struct dsc_tensor *within,
                                    const struct dsc_tensor *before, const struct dsc_tensor *d,
                                    struct dsc_err *err)
{
    const struct dsc_tensor mask = dsc_rnn_mask_at(r, step);

    DSC_TRY(dsc_select(r->x->dev, within, &mask, d, r->zero, err));
    return dsc_select(r->x->dev, before, &mask, r->zero, d, err);
}

/* One step back: b->dh[at] holds the gradient behind it, b->dh[!at] gets that before it. */
static enum dsc_status step_back(struct dsc_recurrence *r, struct back *b, int64_t step, int at,
                                 struct dsc_err *err)
{
    struct dsc_rnn_step s = dsc_rnn_step_at(r, step);
    const struct dsc_walk walk = {.stride = {r->n_hidden, 1}};
    const int64_t time = dsc_rnn_time(r, step);

    for (int g = 0; g < r->cell->n_gates; g++)
        s.draw[g] = dsc_rnn_block(r, r->draw, step * r->cell->n_gates + g);
    s.drec = dsc_rnn_block(r, r->drec, step);
    s.dh = *b->dh[at];
    s.dc = *b->dc[at];
    s.dh_prev = *b->dh[!at];
    s.dc_prev = *b->dc[!at];
    if (time >= r->longest) { /* past all lengths the state was kept, and dy is 0 */
        DSC_TRY(dsc_copy(r->x->dev, 2, s.dh.dim, &s.dh_prev, &walk, &s.dh, &walk, err));
        return dsc_copy(r->x->dev, 2, s.dc.dim, &s.dc_prev, &walk, &s.dc, &walk, err);
    }
    if (b->dy) {
        const struct dsc_tensor dy = dsc_rnn_block(r, b->dy, step);

        DSC_TRY(dsc_axpy(r->x->dev, 1, &s.dh, &dy, err));
    }
    if (time < r->shortest) {
        DSC_TRY(dsc_rnn_zero(r, &s.dh_prev, err));
        DSC_TRY(dsc_rnn_zero(r, &s.dc_prev, err));
        return r->cell->back(r, &s, err);
    }
    DSC_TRY(part_by_mask(r, step, b->dh_cut, &s.dh_prev, &s.dh, err));
    s.dh = *b->dh_cut;
    if (r->cell->has_state) {
        DSC_TRY(part_by_mask(r, step, b->dc_cut, &s.dc_prev, &s.dc, err));
        s.dc = *b->dc_cut;
    }
    return r->cell->back(r, &s, err);
}

/*
 * dR of gates [first, first + n): sums over steps and batch of grads^T states. grads is
 * [S, per_step, B, H] and holds these gates from `from` on; states [S,B,H].
 */
static enum dsc_status back_states(struct dsc_recurrence *r, int first, int n,
                                   const struct dsc_tensor *grads, int per_step, int from,
                                   const struct dsc_tensor *states, struct dsc_err *err)
{
    const int64_t rows = r->n_steps * r->n_batch, h = r->n_hidden, block = r->n_batch * h;
    const int64_t dim[4] = {n, r->n_steps, r->n_batch, h}, zeros[DSC_RNN_GATES] = {0};
    const struct dsc_walk walk = {.offset = from * block,
                                  .stride = {block, per_step * block, h, 1}};
    const struct dsc_gemm_spec s = {.is_trans_a = true,
                                    .m = h,
                                    .n = h,
                                    .k = rows,
                                    .alpha = 1,
                                    .beta = 1,
                                    .n_batch = n,
                                    .batch_b = zeros};
    const struct dsc_tensor dr = dsc_rnn_part(&r->dr, first * h * h, 2, (int64_t[]){n * h, h});
    struct dsc_tensor *by_gate;
    struct dsc_walk to = {0};

    dsc_dense_strides(4, dim, to.stride);
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 4, dim, &by_gate, err));
    DSC_TRY(dsc_copy(r->x->dev, 4, dim, by_gate, &to, grads, &walk, err));
    return dsc_gemm(r->x->dev, &s, &dr, by_gate, states, err);
}

/* GRU's last gate has a product of its own: of r * h', or behind r. */
static enum dsc_status back_weights(struct dsc_recurrence *r, struct dsc_err *err)
{
    const int n = r->cell->n_gates, last = n - 1, n_notes = r->cell->n_notes;
    const bool is_gru = r->cell->n_gates == 3;
    const int64_t dim[3] = {r->n_steps, r->n_batch, r->n_hidden};
    const int64_t block = r->n_batch * r->n_hidden;
    struct dsc_walk to = {0}, from = {.stride = {n_notes * block, r->n_hidden, 1}};
    struct dsc_tensor *scaled;

    if (!is_gru)
        return back_states(r, 0, n, r->draw, n, 0, r->h, err);
    DSC_TRY(back_states(r, 0, last, r->draw, n, 0, r->h, err));
    if (r->resets_product)
        return back_states(r, last, 1, r->drec, 1, 0, r->h, err);
    dsc_dense_strides(3, dim, to.stride);
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 3, dim, &scaled, err));
    DSC_TRY(dsc_copy(r->x->dev, 3, dim, scaled, &to, r->notes, &from, err));
    return back_states(r, last, 1, r->draw, n, last, scaled, err);
}

/* dB: sums over steps and batch, for Wb and Rb. */
static enum dsc_status back_bias(struct dsc_recurrence *r, const struct dsc_tensor *dbias,
                                 struct dsc_err *err)
{
    const int64_t h = r->n_hidden, n = r->cell->n_gates;
    int64_t dim[4] = {r->n_steps, n, r->n_batch, h};
    struct dsc_walk from = {0}, to = {.offset = r->dir * 2 * n * h, .stride = {0, h, 0, 1}};

    dsc_dense_strides(4, dim, from.stride);
    DSC_TRY(dsc_add_copy(r->x->dev, 4, dim, dbias, &to, r->draw, &from, err));
    to.offset += n * h;
    if (r->resets_product)
        dim[1]--;
    DSC_TRY(dsc_add_copy(r->x->dev, 4, dim, dbias, &to, r->draw, &from, err));
    if (!r->resets_product)
        return DSC_OK;
    to.offset += (n - 1) * h;
    dim[1] = 1;
    dsc_dense_strides(4, dim, from.stride);
    return dsc_add_copy(r->x->dev, 4, dim, dbias, &to, r->drec, &from, err);
}

static enum dsc_status give_back(struct dsc_recurrence *r, struct back *b,
                                 struct dsc_tensor *const din[DSC_RNN_N_IN], int at,
                                 struct dsc_err *err)
{
    const int64_t dim[4] = {r->n_steps, r->cell->n_gates, r->n_batch, r->n_hidden};
    const struct dsc_walk rows = dsc_rnn_walk_inputs(r), state = dsc_rnn_walk_state(r);
    const struct dsc_walk dense = {.stride = {r->n_hidden, 1}};
    struct dsc_walk from = {0};

    dsc_dense_strides(4, dim, from.stride);
    DSC_TRY(dsc_copy(r->x->dev, 4, dim, b->dxw, &rows, r->draw, &from, err));
    if (din[DSC_RNN_R])
        DSC_TRY(back_weights(r, err));
    if (din[DSC_RNN_BIAS])
        DSC_TRY(back_bias(r, din[DSC_RNN_BIAS], err));
    if (din[DSC_RNN_H0])
        DSC_TRY(dsc_add_copy(r->x->dev, 2, b->dh[at]->dim, din[DSC_RNN_H0], &state, b->dh[at],
                             &dense, err));
    if (din[DSC_RNN_C0])
        DSC_TRY(dsc_add_copy(r->x->dev, 2, b->dc[at]->dim, din[DSC_RNN_C0], &state, b->dc[at],
                             &dense, err));
    return DSC_OK;
}

static enum dsc_status direction_back(struct dsc_recurrence *r, struct back *b,
                                      const struct dsc_tensor *const dout[3],
                                      struct dsc_tensor *const din[DSC_RNN_N_IN],
                                      struct dsc_err *err)
{
    const int64_t h = r->n_hidden, gates = r->cell->n_gates * h;
    int at = 0;

    if (din[DSC_RNN_R])
        r->dr = dsc_rnn_part(din[DSC_RNN_R], r->dir * gates * h, 2, (int64_t[]){gates, h});
    if (din[DSC_RNN_PEEPHOLES])
        r->dpeep = dsc_rnn_part(din[DSC_RNN_PEEPHOLES], r->dir * 3 * h, 1, (int64_t[]){3 * h});
    if (dout[0])
        DSC_TRY(take_outputs(r, b, dout[0], err));
    DSC_TRY(take_state(r, b->dh[0], dout[1], err));
    DSC_TRY(take_state(r, b->dc[0], dout[2], err));
    DSC_TRY(dsc_rnn_zero(r, r->draw, err));
    DSC_TRY(dsc_rnn_zero(r, r->drec, err));
    for (int64_t s = r->n_steps - 1; s >= 0; s--, at = !at)
        DSC_TRY(step_back(r, b, s, at, err));
    return give_back(r, b, din, at, err);
}

/* From all of dxw to X and W. */
static enum dsc_status inputs_back(struct dsc_recurrence *r, const struct dsc_tensor *dxw,
                                   const struct dsc_saved *saved, struct dsc_tensor *dx,
                                   struct dsc_tensor *dw, struct dsc_err *err)
{
    struct dsc_gemm_spec s = {
        .m = dxw->dim[0], .n = r->n_in, .k = dxw->dim[1], .alpha = 1, .beta = 1, .n_batch = 1};

    if (dx)
        DSC_TRY(dsc_gemm(r->x->dev, &s, dx, dxw, saved->in[DSC_RNN_W], err));
    s.is_trans_a = true;
    s.m = dxw->dim[1];
    s.k = dxw->dim[0];
    return dw ? dsc_gemm(r->x->dev, &s, dw, dxw, saved->in[DSC_RNN_X], err) : DSC_OK;
}

enum dsc_status dsc_rnn_backward(const struct dsc_cell *cell, struct dsc_exec *x,
                                 const struct dsc_node *n, const struct dsc_saved *saved,
                                 const struct dsc_tensor *const *dout, struct dsc_tensor **din,
                                 struct dsc_err *err)
{
    const struct dsc_tensor *outs[3] = {0};
    struct dsc_tensor *ins[DSC_RNN_N_IN] = {0}, *xw;
    struct dsc_recurrence r;
    struct back b = {0};

    for (int i = 0; i < n->n_out && i < 3; i++)
        outs[i] = dout[i];
    for (int i = 0; i < n->n_in && i < DSC_RNN_N_IN; i++)
        ins[i] = din[i];
    DSC_TRY(dsc_rnn_read(&r, cell, n, saved->in_type, err));
    r.x = x;
    r.keeps = true;
    DSC_TRY(dsc_rnn_inputs(&r, saved->in[DSC_RNN_X], saved->in[DSC_RNN_W],
                           dsc_rnn_in(saved->in, n->n_in, DSC_RNN_BIAS), &xw, err));
    DSC_TRY(make_back(&r, &b, outs[0] != NULL, err));
    for (int d = 0; d < r.n_dirs; d++) {
        DSC_TRY(dsc_rnn_run(&r, d, xw, saved->in, n->n_in, err));
        DSC_TRY(direction_back(&r, &b, outs, ins, err));
    }
    return inputs_back(&r, b.dxw, saved, ins[DSC_RNN_X], ins[DSC_RNN_W], err);
}
