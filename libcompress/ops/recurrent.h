/*
 * Recurrent operators: what LSTM, GRU and RNN share. An operator says how one step goes on and back
 * (struct dsc_cell); sequences, directions, layouts, lengths and the gradients of the weights are
 * handled here, once.
 *
 * Shapes  X [T,B,I] (layout 1: [B,T,I]), W [D,G*H,I], R [D,G*H,H], B [D,2*G*H], sequence_lens [B],
 *         initial states [D,B,H] ([B,D,H]); D directions, G gates, H hidden units
 *
 * Steps are in the order of the scan (a reverse direction starts at the last time), gates lie
 * apart: raw and act are [S,G,B,H], so that a gate of a step is one dense matrix. The products of
 * all inputs are one GEMM, those of the states one batched GEMM a step. Backward runs the sequence
 * again, keeping what it needs.
 *
 * Past its length a sequence keeps its state and gives zeros.
 *
 * Source  ONNX LSTM-14, GRU-14, RNN-14; Hochreiter & Schmidhuber 1997; Cho et al. 2014
 *         (arXiv:1406.1078); backward through time: Werbos 1990
 */
#ifndef DSC_RECURRENT_H
#define DSC_RECURRENT_H

#include "device/prim.h"
#include "dsc/op.h"

enum { DSC_RNN_GATES = 4, DSC_RNN_ACTS = 3, DSC_RNN_NOTES = 2 };

/** Inputs of the node; LSTM alone has the last two. */
enum {
    DSC_RNN_X,
    DSC_RNN_W,
    DSC_RNN_R,
    DSC_RNN_BIAS,
    DSC_RNN_LENS,
    DSC_RNN_H0,
    DSC_RNN_C0,
    DSC_RNN_PEEPHOLES,
    DSC_RNN_N_IN
};

/** An activation of the node: which of f, g, h the operator's text calls it is its place. */
struct dsc_activation {
    enum dsc_map_fn fn;
    struct dsc_map_param param;
};

struct dsc_recurrence;
struct dsc_rnn_step;

/** What sets one operator apart. */
struct dsc_cell {
    int n_gates, n_acts;
    int n_joined;                   /* first gates that have one product; the others another one */
    const char *acts[DSC_RNN_ACTS]; /* by default */
    bool has_state;                 /* a cell state beside the hidden one */
    int n_notes;                    /* matrices [B,H] of a step that backward reads */
    /** From h_prev (c_prev) and raw, which holds W x + biases, to h_next (c_next). */
    enum dsc_status (*step)(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                            struct dsc_err *err);
    /** Adds to draw, dh_prev (dc_prev) and the gradients of peepholes; dh and dc may be changed. */
    enum dsc_status (*back)(struct dsc_recurrence *r, const struct dsc_rnn_step *s,
                            struct dsc_err *err);
};

/** One step: views [B,H]. */
struct dsc_rnn_step {
    struct dsc_tensor raw[DSC_RNN_GATES]; /* before clip and activation */
    struct dsc_tensor act[DSC_RNN_GATES];
    struct dsc_tensor note[DSC_RNN_NOTES];
    struct dsc_tensor h_prev, h_next, c_prev, c_next;
    /* of backward */
    struct dsc_tensor draw[DSC_RNN_GATES];
    struct dsc_tensor dh, dc, dh_prev, dc_prev;
    struct dsc_tensor drec; /* GRU: of what the state's product gave to the last gate */
};

/** Weights as 8-bit codes [D,K,G*H], a scale and a zero point for each direction or column. */
struct dsc_rnn_codes {
    const struct dsc_tensor *code, *scale, *zero;
};

/** What a product of them needs from step to step: scale, zero, codes of the left side; sums, y. */
struct dsc_rnn_code_temps {
    struct dsc_tensor *scale, *zero, *codes, *sums, *scaled, *y;
};

/** One direction of a node while it runs. */
struct dsc_recurrence {
    struct dsc_exec *x;
    const struct dsc_cell *cell;
    enum dsc_dtype dtype;
    int64_t n_steps, n_batch, n_in, n_hidden;
    int n_dirs;
    bool is_batch_first, is_reverse, keeps; /* keeps: all steps, for backward */
    bool resets_product;                    /* GRU: linear_before_reset */
    bool couples_gates;                     /* LSTM: input_forget */
    double clip;                            /* 0: none */
    struct dsc_activation act[2][DSC_RNN_ACTS];
    int dir;

    struct dsc_tensor w, r, bias, peep;    /* of this direction; "no tensor" where absent */
    struct dsc_tensor *raw, *acts, *notes; /* [S,G,B,H], [S or 1,G,B,H], [S or 1,notes,B,H] */
    struct dsc_tensor *h, *c;              /* [S+1,B,H], of the state before each step */
    int64_t shortest, longest;             /* of the lengths: between them steps are masked */
    struct dsc_tensor *mask;               /* bool [S,B,1]: within the length; NULL: all */
    struct dsc_tensor *h_new, *c_new;      /* [B,H], with a mask: before it is applied */
    struct dsc_tensor *zero;               /* scalar */
    struct dsc_tensor *tmp[4];             /* [B,H]; steps use 1 and 2 */
    const struct dsc_rnn_codes *w_codes, *r_codes; /* NULL: W and R are floats */
    struct dsc_rnn_code_temps code_temps;
    const struct dsc_tensor *packed; /* R for sgemm_packed; NULL: it is not */
    struct dsc_tensor *product;      /* [B,G*H], of it */
    struct dsc_tensor dr, dpeep;     /* gradients of this direction */
    struct dsc_tensor *draw, *drec;  /* [S,G,B,H], [S,B,H] */
};

/** Inference; all of what the node says is checked here. */
enum dsc_status dsc_rnn_infer(const struct dsc_cell *cell, struct dsc_infer *q,
                              struct dsc_err *err);
enum dsc_status dsc_rnn_forward(const struct dsc_cell *cell, struct dsc_exec *x,
                                const struct dsc_node *n, const struct dsc_tensor *const *in,
                                struct dsc_tensor **out, struct dsc_err *err);
/** On codes; they stand in W's and R's places, layout 0. All gates must have one product. */
enum dsc_status dsc_rnn_forward_codes(const struct dsc_cell *cell, struct dsc_exec *x,
                                      const struct dsc_node *n, const struct dsc_tensor *const *in,
                                      const struct dsc_rnn_codes *w, const struct dsc_rnn_codes *r,
                                      struct dsc_tensor **out, struct dsc_err *err);
enum dsc_status dsc_rnn_backward(const struct dsc_cell *cell, struct dsc_exec *x,
                                 const struct dsc_node *n, const struct dsc_saved *saved,
                                 const struct dsc_tensor *const *dout, struct dsc_tensor **din,
                                 struct dsc_err *err);
int64_t dsc_rnn_flops(const struct dsc_infer *q);
int64_t dsc_rnn_min_opset(const struct dsc_graph *g, const struct dsc_node *n);

/** With R packed (for its joined gates, then for the others, by direction). */
enum dsc_status dsc_rnn_forward_packed(const struct dsc_cell *cell, struct dsc_exec *x,
                                       const struct dsc_node *n, const struct dsc_tensor *const *in,
                                       const struct dsc_tensor *packed, struct dsc_tensor **out,
                                       struct dsc_err *err);
/** Elements of one direction's packed R; false: too many. */
bool dsc_rnn_packed_elems(const struct dsc_cell *cell, int64_t n_hidden, int64_t *n_elems);
extern const struct dsc_cell dsc_cell_gru, dsc_cell_lstm, dsc_cell_rnn;

/* For steps. */

/** y = f(clip(raw)), f the activation of that place. */
enum dsc_status dsc_rnn_activate(struct dsc_recurrence *r, int place, const struct dsc_tensor *y,
                                 const struct dsc_tensor *raw, struct dsc_err *err);
/** draw += dy f'(clip(raw)); y is what dsc_rnn_activate gave. */
enum dsc_status dsc_rnn_activate_back(struct dsc_recurrence *r, int place,
                                      const struct dsc_tensor *draw, const struct dsc_tensor *dy,
                                      const struct dsc_tensor *raw, const struct dsc_tensor *y,
                                      struct dsc_err *err);
/** raw of gates [first, first + n_gates) += h R^T; they lie one after the other. */
enum dsc_status dsc_rnn_product(struct dsc_recurrence *r, int first, int n_gates,
                                const struct dsc_tensor *raw, const struct dsc_tensor *h,
                                struct dsc_err *err);
/** dh += draw R of that gate */
enum dsc_status dsc_rnn_product_back(struct dsc_recurrence *r, int gate,
                                     const struct dsc_tensor *dh, const struct dsc_tensor *draw,
                                     struct dsc_err *err);
/** y = a b, or y += a b; y, a, b [B,H], b also [H]. */
enum dsc_status dsc_rnn_mul(struct dsc_recurrence *r, const struct dsc_tensor *y,
                            const struct dsc_tensor *a, const struct dsc_tensor *b,
                            struct dsc_err *err);
enum dsc_status dsc_rnn_mul_add(struct dsc_recurrence *r, const struct dsc_tensor *y,
                                const struct dsc_tensor *a, const struct dsc_tensor *b,
                                struct dsc_err *err);
enum dsc_status dsc_rnn_zero(struct dsc_recurrence *r, const struct dsc_tensor *t,
                             struct dsc_err *err);

/* Between the files recurrent*.c. */

/** Attributes, and sizes from complete types of the inputs. */
enum dsc_status dsc_rnn_read(struct dsc_recurrence *r, const struct dsc_cell *cell,
                             const struct dsc_node *n, const struct dsc_type *in,
                             struct dsc_err *err);
/** All steps of direction `dir`. xw: dsc_rnn_inputs; in as the node's. */
enum dsc_status dsc_rnn_run(struct dsc_recurrence *r, int dir, const struct dsc_tensor *xw,
                            const struct dsc_tensor *const *in, int n_in, struct dsc_err *err);
/** X W^T and biases (may be NULL) of all directions: [T*B, D*G*H], rows as in X. */
enum dsc_status dsc_rnn_inputs(struct dsc_recurrence *r, const struct dsc_tensor *x,
                               const struct dsc_tensor *w, const struct dsc_tensor *bias,
                               struct dsc_tensor **xw, struct dsc_err *err);
/** X's product on codes, into xw or added to it; and of a state with all gates of a direction: raw
 * [G,B,H] += it. */
enum dsc_status dsc_rnn_inputs_codes(struct dsc_recurrence *r, const struct dsc_tensor *x,
                                     const struct dsc_tensor *xw, bool is_adding,
                                     struct dsc_err *err);
enum dsc_status dsc_rnn_product_codes(struct dsc_recurrence *r, const struct dsc_tensor *raw,
                                      const struct dsc_tensor *h, struct dsc_err *err);
/** Walks over [S,G,B,H] of the direction in rows of the inputs' products; [S,B,H] in Y. */
struct dsc_walk dsc_rnn_walk_inputs(const struct dsc_recurrence *r);
struct dsc_walk dsc_rnn_walk_outputs(const struct dsc_recurrence *r);
/** A walk over [B,H] of the direction in a state. */
struct dsc_walk dsc_rnn_walk_state(const struct dsc_recurrence *r);
/** Matrix [B,H] number `block` of a buffer. */
struct dsc_tensor dsc_rnn_block(const struct dsc_recurrence *r, const struct dsc_tensor *t,
                                int64_t block);
struct dsc_rnn_step dsc_rnn_step_at(const struct dsc_recurrence *r, int64_t step);
/** The time of a step of the scan. */
static inline int64_t dsc_rnn_time(const struct dsc_recurrence *r, int64_t step)
{
    return r->is_reverse ? r->n_steps - 1 - step : step;
}

/** The mask of a step, [B,1]. */
struct dsc_tensor dsc_rnn_mask_at(const struct dsc_recurrence *r, int64_t step);
/** Part of a tensor as another one, not counted. */
struct dsc_tensor dsc_rnn_part(const struct dsc_tensor *t, int64_t first, int rank,
                               const int64_t *dim);

static inline const struct dsc_tensor *dsc_rnn_in(const struct dsc_tensor *const *in, int n_in,
                                                  int i)
{
    return i < n_in ? in[i] : NULL;
}

#endif
