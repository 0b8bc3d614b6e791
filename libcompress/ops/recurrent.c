/* Recurrent operators: sequences, forward. */
#include "ops/recurrent.h"

#include "dsc/arena.h"
#include "dsc/checked.h"
#include "kernels/kernels.h"
#include "ops/elementwise.h"

struct dsc_tensor dsc_rnn_part(const struct dsc_tensor *t, int64_t first, int rank,
                               const int64_t *dim)
{
    struct dsc_tensor part = {.dtype = t->dtype, .rank = rank};

    for (int i = 0; i < rank; i++)
        part.dim[i] = dim[i];
    if (t->data)
        part.data = (char *)t->data + dsc_dtype_bytes(t->dtype, first);
    return part;
}

struct dsc_tensor dsc_rnn_block(const struct dsc_recurrence *r, const struct dsc_tensor *t,
                                int64_t block)
{
    return dsc_rnn_part(t, block * r->n_batch * r->n_hidden, 2,
                        (int64_t[]){r->n_batch, r->n_hidden});
}

struct dsc_tensor dsc_rnn_mask_at(const struct dsc_recurrence *r, int64_t step)
{
    return dsc_rnn_part(r->mask, step * r->n_batch, 2, (int64_t[]){r->n_batch, 1});
}

struct dsc_walk dsc_rnn_walk_inputs(const struct dsc_recurrence *r)
{
    const int64_t gates = r->cell->n_gates * r->n_hidden, row = r->n_dirs * gates;
    const int64_t step = r->is_batch_first ? row : r->n_batch * row;
    const int64_t last = r->n_steps > 0 ? r->n_steps - 1 : 0;

    return (struct dsc_walk){
        .offset = r->dir * gates + (r->is_reverse ? last * step : 0),
        .stride = {r->is_reverse ? -step : step, r->n_hidden,
                   r->is_batch_first ? r->n_steps * row : row, 1},
    };
}

struct dsc_walk dsc_rnn_walk_outputs(const struct dsc_recurrence *r)
{
    const int64_t h = r->n_hidden, b = r->n_batch;
    const int64_t step = r->is_batch_first ? r->n_dirs * h : r->n_dirs * b * h;
    const int64_t last = r->n_steps > 0 ? r->n_steps - 1 : 0;

    return (struct dsc_walk){
        .offset = r->dir * (r->is_batch_first ? h : b * h) + (r->is_reverse ? last * step : 0),
        .stride = {r->is_reverse ? -step : step, r->is_batch_first ? r->n_steps * step : h, 1},
    };
}

struct dsc_walk dsc_rnn_walk_state(const struct dsc_recurrence *r)
{
    const int64_t h = r->n_hidden;

    return (struct dsc_walk){
        .offset = r->dir * (r->is_batch_first ? h : r->n_batch * h),
        .stride = {r->is_batch_first ? r->n_dirs * h : h, 1},
    };
}

enum dsc_status dsc_rnn_activate(struct dsc_recurrence *r, int place, const struct dsc_tensor *y,
                                 const struct dsc_tensor *raw, struct dsc_err *err)
{
    const struct dsc_activation *a = &r->act[r->dir][place];

    if (r->clip > 0) {
        DSC_TRY(dsc_map(r->x->dev, DSC_MAP_clip, (struct dsc_map_param){-r->clip, r->clip},
                        r->tmp[0], raw, err));
        raw = r->tmp[0];
    }
    return dsc_map(r->x->dev, a->fn, a->param, y, raw, err);
}

static bool packed_elems(int64_t n_hidden, int64_t n_gates, int64_t *n)
{
    size_t n_elems = 0;

    if (n_gates > 0 && !dsc_sgemm_packed_elems(n_hidden, n_gates * n_hidden, &n_elems))
        return false;
    *n = (int64_t)n_elems;
    return true;
}

bool dsc_rnn_packed_elems(const struct dsc_cell *cell, int64_t n_hidden, int64_t *n_elems)
{
    int64_t joined, others;

    return packed_elems(n_hidden, cell->n_joined, &joined) &&
           packed_elems(n_hidden, cell->n_gates - cell->n_joined, &others) &&
           dsc_add_i64(joined, others, n_elems);
}

/* Rows of gates side by side, which then go to raw, where each gate has its matrix. */
static enum dsc_status product_packed(struct dsc_recurrence *r, int first, int n_gates,
                                      const struct dsc_tensor *raw, const struct dsc_tensor *h,
                                      struct dsc_err *err)
{
    const int64_t n = r->n_hidden, b = r->n_batch, dim[3] = {n_gates, b, n};
    const struct dsc_sgemm_spec s = {.m = b, .n = n_gates * n, .k = n};
    const struct dsc_epilogue plain = {.act = -1};
    const struct dsc_walk to = {.stride = {b * n, n, 1}}, from = {.stride = {n, n_gates * n, 1}};
    const struct dsc_tensor y = dsc_rnn_part(r->product, 0, 2, (int64_t[]){b, s.n});
    int64_t per_direction = 0, before = 0;
    struct dsc_tensor packed;

    (void)dsc_rnn_packed_elems(r->cell, n, &per_direction);
    (void)packed_elems(n, first, &before);
    packed = dsc_rnn_part(r->packed, r->dir * per_direction + before, 1,
                          (int64_t[]){per_direction - before});
    DSC_TRY(dsc_sgemm_packed(r->x->dev, &s, &y, h, &packed, NULL, &plain, err));
    return dsc_add_copy(r->x->dev, 3, dim, raw, &to, &y, &from, err);
}

enum dsc_status dsc_rnn_product(struct dsc_recurrence *r, int first, int n_gates,
                                const struct dsc_tensor *raw, const struct dsc_tensor *h,
                                struct dsc_err *err)
{
    const int64_t zeros[DSC_RNN_GATES] = {0}, size = r->n_hidden * r->n_hidden;
    int64_t weights[DSC_RNN_GATES];
    const struct dsc_gemm_spec s = {.is_trans_b = true,
                                    .m = r->n_batch,
                                    .n = r->n_hidden,
                                    .k = r->n_hidden,
                                    .alpha = 1,
                                    .beta = 1,
                                    .n_batch = n_gates,
                                    .batch_a = zeros,
                                    .batch_b = weights};

    if (r->r_codes)
        return dsc_rnn_product_codes(r, raw, h, err);
    if (r->packed)
        return product_packed(r, first, n_gates, raw, h, err);
    for (int g = 0; g < n_gates; g++)
        weights[g] = (first + g) * size;
    return dsc_gemm(r->x->dev, &s, raw, h, &r->r, err);
}

enum dsc_status dsc_rnn_mul(struct dsc_recurrence *r, const struct dsc_tensor *y,
                            const struct dsc_tensor *a, const struct dsc_tensor *b,
                            struct dsc_err *err)
{
    return dsc_binary(r->x->dev, DSC_BINARY_mul, y, a, b, err);
}

enum dsc_status dsc_rnn_mul_add(struct dsc_recurrence *r, const struct dsc_tensor *y,
                                const struct dsc_tensor *a, const struct dsc_tensor *b,
                                struct dsc_err *err)
{
    DSC_TRY(dsc_binary(r->x->dev, DSC_BINARY_mul, r->tmp[3], a, b, err));
    return dsc_axpy(r->x->dev, 1, y, r->tmp[3], err);
}

enum dsc_status dsc_rnn_zero(struct dsc_recurrence *r, const struct dsc_tensor *t,
                             struct dsc_err *err)
{
    const int64_t zero = 0;

    return dsc_fill(r->x->dev, t, &zero, err);
}

/* Wb + Rb of all directions [D,G*H]; Rb of a gate that has a product of its own waits for that. */
static enum dsc_status sum_biases(struct dsc_recurrence *r, const struct dsc_tensor *bias,
                                  struct dsc_tensor **sum, struct dsc_err *err)
{
    const int64_t gates = r->cell->n_gates * r->n_hidden;
    const int64_t late = r->resets_product ? r->n_hidden : 0;
    const struct dsc_walk to = {.stride = {gates, 1}};
    struct dsc_walk from = {.stride = {2 * gates, 1}};

    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, (int64_t[]){r->n_dirs, gates}, sum, err));
    DSC_TRY(dsc_copy(r->x->dev, 2, (*sum)->dim, *sum, &to, bias, &from, err));
    from.offset = gates;
    return dsc_add_copy(r->x->dev, 2, (int64_t[]){r->n_dirs, gates - late}, *sum, &to, bias, &from,
                        err);
}

enum dsc_status dsc_rnn_inputs(struct dsc_recurrence *r, const struct dsc_tensor *x,
                               const struct dsc_tensor *w, const struct dsc_tensor *bias,
                               struct dsc_tensor **xw, struct dsc_err *err)
{
    struct dsc_gemm_spec s = {.is_trans_b = true,
                              .m = r->n_steps * r->n_batch,
                              .n = r->n_dirs * r->cell->n_gates * r->n_hidden,
                              .k = r->n_in,
                              .alpha = 1,
                              .n_batch = 1};
    const struct dsc_walk to = {.stride = {s.n, 1}}, from = {.stride = {0, 1}};
    const int64_t dim[2] = {s.m, s.n};
    struct dsc_tensor *sum;

    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, dim, xw, err));
    if (bias) {
        DSC_TRY(sum_biases(r, bias, &sum, err));
        DSC_TRY(dsc_copy(r->x->dev, 2, dim, *xw, &to, sum, &from, err));
        s.beta = 1;
    }
    if (r->w_codes)
        return dsc_rnn_inputs_codes(r, x, *xw, bias != NULL, err);
    return dsc_gemm(r->x->dev, &s, *xw, x, w, err);
}

/* mask [S,B,1]: is step s of the scan within the length of sequence b? */
static enum dsc_status make_mask(struct dsc_recurrence *r, const struct dsc_tensor *lens,
                                 struct dsc_err *err)
{
    const int64_t n = r->n_steps * r->n_batch;
    enum dsc_status st;
    bool *host;

    if (!r->mask)
        DSC_TRY(dsc_exec_temp(r->x, DSC_BOOL, 3, (int64_t[]){r->n_steps, r->n_batch, 1}, &r->mask,
                              err));
    if (n == 0)
        return DSC_OK;
    if (!(host = dsc_heap_alloc((size_t)n, sizeof *host, err)))
        return DSC_E_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        host[i] = dsc_rnn_time(r, i / r->n_batch) < dsc_tensor_get_i64(lens, i % r->n_batch);
    }
    st = r->x->dev->upload(r->x->dev, r->mask->data, host, (size_t)n * sizeof *host, err);
    dsc_heap_free(host);
    return st;
}

/* Buffers that all directions use one after the other. */
static enum dsc_status make_buffers(struct dsc_recurrence *r, bool has_mask, struct dsc_err *err)
{
    const int64_t kept = r->keeps || r->n_steps == 0 ? r->n_steps : 1;
    const int64_t b = r->n_batch, h = r->n_hidden;
    const int64_t gates[4] = {r->n_steps, r->cell->n_gates, b, h};
    const int64_t some[4] = {kept, r->cell->n_gates, b, h};
    const int64_t notes[4] = {kept, r->cell->n_notes, b, h};
    const int64_t states[3] = {r->n_steps + 1, b, h};

    if (r->raw)
        return DSC_OK;
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 4, gates, &r->raw, err));
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 4, some, &r->acts, err));
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 4, notes, &r->notes, err));
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 3, states, &r->h, err));
    if (r->cell->has_state)
        DSC_TRY(dsc_exec_temp(r->x, r->dtype, 3, states, &r->c, err));
    for (int i = 0; i < 4; i++)
        DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, states + 1, &r->tmp[i], err));
    if (r->packed)
        DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, (int64_t[]){b, gates[1] * h}, &r->product, err));
    if (!has_mask)
        return DSC_OK;
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, states + 1, &r->h_new, err));
    DSC_TRY(dsc_exec_temp(r->x, r->dtype, 2, states + 1, &r->c_new, err));
    return dsc_scalar_temp(r->x, r->dtype, 0, &r->zero, err);
}

/* The first state of the direction: as given, or zeros. */
static enum dsc_status start(struct dsc_recurrence *r, const struct dsc_tensor *states,
                             const struct dsc_tensor *given, struct dsc_err *err)
{
    const struct dsc_walk to = {.stride = {r->n_hidden, 1}}, from = dsc_rnn_walk_state(r);
    const struct dsc_tensor first = dsc_rnn_block(r, states, 0);

    return given ? dsc_copy(r->x->dev, 2, first.dim, &first, &to, given, &from, err)
                 : dsc_rnn_zero(r, &first, err);
}

/* raw = W x and biases of the direction, gate by gate, in the order of the scan. */
static enum dsc_status spread_inputs(struct dsc_recurrence *r, const struct dsc_tensor *xw,
                                     struct dsc_err *err)
{
    const int64_t dim[4] = {r->n_steps, r->cell->n_gates, r->n_batch, r->n_hidden};
    const struct dsc_walk from = dsc_rnn_walk_inputs(r);
    struct dsc_walk to = {0};

    dsc_dense_strides(4, dim, to.stride);
    return dsc_copy(r->x->dev, 4, dim, r->raw, &to, xw, &from, err);
}

struct dsc_rnn_step dsc_rnn_step_at(const struct dsc_recurrence *r, int64_t step)
{
    const int64_t kept = r->keeps ? step : 0;
    struct dsc_rnn_step s = {.h_prev = dsc_rnn_block(r, r->h, step),
                             .h_next = dsc_rnn_block(r, r->h, step + 1)};

    for (int g = 0; g < r->cell->n_gates; g++) {
        s.raw[g] = dsc_rnn_block(r, r->raw, step * r->cell->n_gates + g);
        s.act[g] = dsc_rnn_block(r, r->acts, kept * r->cell->n_gates + g);
    }
    for (int i = 0; i < r->cell->n_notes; i++)
        s.note[i] = dsc_rnn_block(r, r->notes, kept * r->cell->n_notes + i);
    if (r->cell->has_state) {
        s.c_prev = dsc_rnn_block(r, r->c, step);
        s.c_next = dsc_rnn_block(r, r->c, step + 1);
    }
    return s;
}

static void read_lengths(struct dsc_recurrence *r, const struct dsc_tensor *lens)
{
    r->shortest = r->n_steps;
    r->longest = lens ? 0 : r->n_steps;
    for (int64_t i = 0; lens && i < r->n_batch; i++) {
        const int64_t n = dsc_tensor_get_i64(lens, i);

        r->shortest = n < r->shortest ? n : r->shortest;
        r->longest = n > r->longest ? n : r->longest;
    }
}

/* Past all lengths. */
static enum dsc_status keep_state(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                                  struct dsc_err *err)
{
    const struct dsc_walk walk = {.stride = {r->n_hidden, 1}};

    DSC_TRY(dsc_copy(r->x->dev, 2, s->h_prev.dim, &s->h_next, &walk, &s->h_prev, &walk, err));
    return r->cell->has_state
               ? dsc_copy(r->x->dev, 2, s->c_prev.dim, &s->c_next, &walk, &s->c_prev, &walk, err)
               : DSC_OK;
}

static enum dsc_status masked_step(struct dsc_recurrence *r, int64_t step, struct dsc_rnn_step s,
                                   struct dsc_err *err)
{
    const struct dsc_tensor mask = dsc_rnn_mask_at(r, step), h = s.h_next, c = s.c_next;

    s.h_next = *r->h_new;
    s.c_next = *r->c_new;
    DSC_TRY(r->cell->step(r, &s, err));
    DSC_TRY(dsc_select(r->x->dev, &h, &mask, &s.h_next, &s.h_prev, err));
    return r->cell->has_state ? dsc_select(r->x->dev, &c, &mask, &s.c_next, &s.c_prev, err)
                              : DSC_OK;
}

enum dsc_status dsc_rnn_run(struct dsc_recurrence *r, int dir, const struct dsc_tensor *xw,
                            const struct dsc_tensor *const *in, int n_in, struct dsc_err *err)
{
    const struct dsc_tensor *bias = dsc_rnn_in(in, n_in, DSC_RNN_BIAS);
    const struct dsc_tensor *peep = dsc_rnn_in(in, n_in, DSC_RNN_PEEPHOLES);
    const struct dsc_tensor *lens = dsc_rnn_in(in, n_in, DSC_RNN_LENS);
    const int64_t h = r->n_hidden, gates = r->cell->n_gates * h;

    r->dir = dir;
    if (r->n_dirs == 2)
        r->is_reverse = dir == 1;
    r->r = dsc_rnn_part(in[DSC_RNN_R], dir * gates * h, 2, (int64_t[]){gates, h});
    if (bias)
        r->bias = dsc_rnn_part(bias, dir * 2 * gates, 1, (int64_t[]){2 * gates});
    if (peep)
        r->peep = dsc_rnn_part(peep, dir * 3 * h, 1, (int64_t[]){3 * h});
    DSC_TRY(make_buffers(r, lens != NULL, err));
    read_lengths(r, lens);
    if (lens)
        DSC_TRY(make_mask(r, lens, err));
    DSC_TRY(start(r, r->h, dsc_rnn_in(in, n_in, DSC_RNN_H0), err));
    if (r->cell->has_state)
        DSC_TRY(start(r, r->c, dsc_rnn_in(in, n_in, DSC_RNN_C0), err));
    DSC_TRY(spread_inputs(r, xw, err));
    for (int64_t i = 0; i < r->n_steps; i++) {
        const struct dsc_rnn_step s = dsc_rnn_step_at(r, i);

        const int64_t time = dsc_rnn_time(r, i);

        DSC_TRY(time >= r->longest    ? keep_state(r, &s, err)
                : time >= r->shortest ? masked_step(r, i, s, err)
                                      : r->cell->step(r, &s, err));
    }
    return DSC_OK;
}

/* Y of the direction: the states after each step, zeros past a sequence's length. */
static enum dsc_status give_outputs(struct dsc_recurrence *r, const struct dsc_tensor *y,
                                    struct dsc_err *err)
{
    const int64_t dim[3] = {r->n_steps, r->n_batch, r->n_hidden};
    const struct dsc_walk to = dsc_rnn_walk_outputs(r);
    struct dsc_tensor all = dsc_rnn_part(r->h, r->n_batch * r->n_hidden, 3, dim);
    struct dsc_tensor *cut = &all;
    struct dsc_walk from = {0};

    dsc_dense_strides(3, dim, from.stride);
    if (r->mask) {
        DSC_TRY(dsc_exec_temp(r->x, r->dtype, 3, dim, &cut, err));
        DSC_TRY(dsc_select(r->x->dev, cut, r->mask, &all, r->zero, err));
    }
    return dsc_copy(r->x->dev, 3, dim, y, &to, cut, &from, err);
}

static enum dsc_status give_state(struct dsc_recurrence *r, const struct dsc_tensor *y,
                                  const struct dsc_tensor *states, struct dsc_err *err)
{
    const struct dsc_walk from = {.stride = {r->n_hidden, 1}}, to = dsc_rnn_walk_state(r);
    const struct dsc_tensor last = dsc_rnn_block(r, states, r->n_steps);

    return dsc_copy(r->x->dev, 2, last.dim, y, &to, &last, &from, err);
}

static enum dsc_status run_forward(struct dsc_recurrence *r, const struct dsc_node *n,
                                   const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                   struct dsc_err *err)
{
    struct dsc_tensor *xw;

    DSC_TRY(dsc_rnn_inputs(r, in[DSC_RNN_X], in[DSC_RNN_W], dsc_rnn_in(in, n->n_in, DSC_RNN_BIAS),
                           &xw, err));
    for (int d = 0; d < r->n_dirs; d++) {
        DSC_TRY(dsc_rnn_run(r, d, xw, in, n->n_in, err));
        if (out[0])
            DSC_TRY(give_outputs(r, out[0], err));
        if (n->n_out > 1 && out[1])
            DSC_TRY(give_state(r, out[1], r->h, err));
        if (n->n_out > 2 && out[2])
            DSC_TRY(give_state(r, out[2], r->c, err));
    }
    return DSC_OK;
}

static enum dsc_status begin(struct dsc_recurrence *r, const struct dsc_cell *cell,
                             struct dsc_exec *x, const struct dsc_node *n,
                             const struct dsc_tensor *const *in, bool is_transposed,
                             struct dsc_err *err)
{
    struct dsc_type type[DSC_RNN_R + 1];

    for (int i = 0; i <= DSC_RNN_R; i++)
        dsc_type_of_tensor(&type[i], in[i]);
    if (is_transposed)
        type[DSC_RNN_R].dim[2] = in[DSC_RNN_R]->dim[1]; /* [D,H,G*H] */
    DSC_TRY(dsc_rnn_read(r, cell, n, type, err));
    r->x = x;
    return DSC_OK;
}

enum dsc_status dsc_rnn_forward(const struct dsc_cell *cell, struct dsc_exec *x,
                                const struct dsc_node *n, const struct dsc_tensor *const *in,
                                struct dsc_tensor **out, struct dsc_err *err)
{
    struct dsc_recurrence r;

    DSC_TRY(begin(&r, cell, x, n, in, false, err));
    return run_forward(&r, n, in, out, err);
}

enum dsc_status dsc_rnn_forward_codes(const struct dsc_cell *cell, struct dsc_exec *x,
                                      const struct dsc_node *n, const struct dsc_tensor *const *in,
                                      const struct dsc_rnn_codes *w_codes,
                                      const struct dsc_rnn_codes *r_codes, struct dsc_tensor **out,
                                      struct dsc_err *err)
{
    struct dsc_recurrence r;

    DSC_TRY(begin(&r, cell, x, n, in, true, err));
    r.w_codes = w_codes;
    r.r_codes = r_codes;
    return run_forward(&r, n, in, out, err);
}

enum dsc_status dsc_rnn_forward_packed(const struct dsc_cell *cell, struct dsc_exec *x,
                                       const struct dsc_node *n, const struct dsc_tensor *const *in,
                                       const struct dsc_tensor *packed, struct dsc_tensor **out,
                                       struct dsc_err *err)
{
    struct dsc_recurrence r;

    DSC_TRY(begin(&r, cell, x, n, in, false, err));
    r.packed = packed;
    return run_forward(&r, n, in, out, err);
}
