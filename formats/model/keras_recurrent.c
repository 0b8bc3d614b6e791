/*
 * LSTM, GRU and SimpleRNN of Keras, in one direction or both. Kernels are [in, gates * units] with
 * the gates i, f, c, o (LSTM) or z, r, h (GRU); ONNX has [gates * units, in], i, o, f, c and z, r,
 * h. Source  keras/src/layers/rnn
 */
#include "model/keras.h"

#include <stdio.h>
#include <string.h>

enum { MAX_GATES = 4, MAX_DIRS = 2, MAX_UNITS = 1 << 20 };

struct cell {
    const char *op;
    int n_gates, n_functions;
    int order[MAX_GATES]; /* ONNX' gates among Keras' */
    bool has_gate_function;
    bool resets_after; /* what reset_after is without the option */
    const char *function, *gate_function;
};

struct rnn {
    const struct cell *cell;
    int n_dirs;
    bool is_backwards;
    int64_t n_in, n_units;
    struct keras_part part[MAX_DIRS];
    bool has_bias, has_sequence, resets_after;
    const char *function, *gate_function;
};

static const struct cell lstm = {.op = "LSTM",
                                 .n_gates = 4,
                                 .n_functions = 3,
                                 .order = {0, 3, 1, 2},
                                 .has_gate_function = true,
                                 .function = "tanh",
                                 .gate_function = "sigmoid"};
static const struct cell gru = {.op = "GRU",
                                .n_gates = 3,
                                .n_functions = 2,
                                .order = {0, 1, 2},
                                .has_gate_function = true,
                                .function = "tanh",
                                .gate_function = "sigmoid"};
static const struct cell simple = {
    .op = "RNN", .n_gates = 1, .n_functions = 1, .function = "tanh", .gate_function = "linear"};

/* ---- options ---- */

static void read_options(struct keras_build *b, struct rnn *r, int x)
{
    r->n_in = keras_dim(b, x, -1);
    r->n_units = keras_int(b, "units", 0);
    r->has_bias = keras_bool(b, "use_bias", true);
    r->has_sequence = keras_bool(b, "return_sequences", false);
    r->resets_after = keras_bool(b, "reset_after", r->cell->resets_after);
    r->function = keras_function(b, "activation", r->cell->function);
    r->gate_function = keras_function(b, "recurrent_activation", r->cell->gate_function);
    r->is_backwards = keras_bool(b, "go_backwards", false);
    if (keras_rank(b, x) != 3 || r->n_in < 0)
        keras_fail(b, DSC_E_UNSUPPORTED, "an input that is not [batch, time, features]");
    if (r->n_units < 1 || r->n_units > MAX_UNITS)
        keras_fail(b, DSC_E_RANGE, "%lld units", (long long)r->n_units);
    if (keras_bool(b, "time_major", false))
        keras_fail(b, DSC_E_UNSUPPORTED, "time_major");
    if (keras_float(b, "dropout", 0) > 0 || keras_float(b, "recurrent_dropout", 0) > 0)
        dsc_log_printf(b->log, DSC_LOG_WARNING,
                       "the dropout of layer '%s' acts in training alone, and is left out",
                       b->layer->name);
}

/* ---- weights ---- */

/* w[gate * units + j][i] = k[i][gate of Keras * units + j] */
static void turn(const struct rnn *r, const struct dsc_tensor *k, int64_t n_rows, float *w)
{
    const int64_t u = r->n_units, n_cols = r->cell->n_gates * u;
    const float *src = k->data;

    for (int g = 0; g < r->cell->n_gates; g++)
        for (int64_t j = 0; j < u; j++)
            for (int64_t i = 0; i < n_rows; i++)
                w[(g * u + j) * n_rows + i] = src[i * n_cols + r->cell->order[g] * u + j];
}

/* The matrices of all directions as one initializer. */
static int matrix(struct keras_build *b, const struct rnn *r, const char *name, int idx,
                  int64_t n_rows)
{
    const int64_t dim[] = {r->n_dirs, r->cell->n_gates * r->n_units, n_rows};
    const int64_t want[] = {n_rows, dim[1]};
    struct dsc_tensor all = {0}, k;

    for (int d = 0; d < r->n_dirs && b->st == DSC_OK; d++) {
        if (!keras_weight(b, &r->part[d], name, idx, 2, want, &k))
            break;
        if (d > 0 || keras_step(b, dsc_tensor_new(&all, DSC_F32, 3, dim, b->err)))
            turn(r, &k, n_rows, (float *)all.data + d * dim[1] * n_rows);
        dsc_tensor_clear(&k);
    }
    return keras_init(b, name, &all);
}

/* [2 * gates * units]: of the input, and of the state, which only a GRU that resets after its
 * product has (as a second row). */
static int biases(struct keras_build *b, const struct rnn *r)
{
    const int64_t n = r->cell->n_gates * r->n_units, dim[] = {r->n_dirs, 2 * n};
    const int64_t want[] = {2, n};
    const int n_parts = r->resets_after ? 2 : 1;
    struct dsc_tensor all = {0}, k;

    for (int d = 0; d < r->n_dirs && b->st == DSC_OK; d++) {
        if (!keras_weight(b, &r->part[d], "bias", 2, n_parts, n_parts == 2 ? want : want + 1, &k))
            break;
        if (d > 0 || keras_step(b, dsc_tensor_new(&all, DSC_F32, 2, dim, b->err))) {
            for (int p = 0; p < n_parts; p++) {
                struct dsc_tensor row = k;

                row.data = (float *)k.data + p * n;
                turn(r, &row, 1, (float *)all.data + d * dim[1] + p * n);
            }
        }
        dsc_tensor_clear(&k);
    }
    return keras_init(b, "bias", &all);
}

/* ---- the node ---- */

struct function {
    const char *keras, *onnx;
    int n_params; /* alpha, alpha and beta */
    float alpha, beta;
};

static const struct function *find_function(struct keras_build *b, const char *name)
{
    static const struct function rows[] = {
        {"tanh", "Tanh", 0, 0, 0},         {"sigmoid", "Sigmoid", 0, 0, 0},
        {"relu", "Relu", 0, 0, 0},         {"softsign", "Softsign", 0, 0, 0},
        {"softplus", "Softplus", 0, 0, 0}, {"elu", "Elu", 1, 1, 0},
        {"linear", "Affine", 2, 1, 0},     {"hard_sigmoid", "HardSigmoid", 2, 0.2F, 0.5F},
    };
    static const struct function new_hard = {"hard_sigmoid", "HardSigmoid", 2, 1.0F / 6, 0.5F};

    if (b->version >= 3 && strcmp(name, new_hard.keras) == 0)
        return &new_hard;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].keras, name) == 0)
            return &rows[i];
    keras_fail(b, DSC_E_UNSUPPORTED, "the activation '%.60s' in a recurrence", name);
    return NULL;
}

static enum dsc_status set_floats(struct dsc_graph *g, struct dsc_node *n, const char *key,
                                  const float *v, int count, struct dsc_err *err)
{
    struct dsc_attr *a;

    if (count == 0)
        return DSC_OK;
    DSC_TRY(dsc_node_attr_slot(g, n, key, &a, err));
    a->kind = DSC_ATTR_FLOATS;
    DSC_NEW(a->floats, &g->arena, count, err);
    memcpy(a->floats, v, (size_t)count * sizeof *v);
    a->n = count;
    return DSC_OK;
}

/* The functions of each direction, and their numbers in that order. */
static enum dsc_status set_functions(struct dsc_graph *g, struct dsc_node *n, const struct rnn *r,
                                     const struct function *gate, const struct function *state,
                                     struct dsc_err *err)
{
    const int count = r->n_dirs * r->cell->n_functions;
    float alpha[MAX_DIRS * 3], beta[MAX_DIRS * 3];
    int n_alpha = 0, n_beta = 0;
    struct dsc_attr *a;

    DSC_TRY(dsc_node_attr_slot(g, n, "activations", &a, err));
    a->kind = DSC_ATTR_STRINGS;
    DSC_NEW(a->strings, &g->arena, count, err);
    for (int i = 0; i < count; i++) {
        const bool is_gate = r->cell->has_gate_function && i % r->cell->n_functions == 0;
        const struct function *f = is_gate ? gate : state;

        a->strings[i] = dsc_arena_strdup(&g->arena, f->onnx, err);
        if (!a->strings[i])
            return DSC_E_MEMORY;
        if (f->n_params > 0)
            alpha[n_alpha++] = f->alpha;
        if (f->n_params > 1)
            beta[n_beta++] = f->beta;
    }
    a->n = count;
    DSC_TRY(set_floats(g, n, "activation_alpha", alpha, n_alpha, err));
    return set_floats(g, n, "activation_beta", beta, n_beta, err);
}

/* Y [T,D,B,H] and Y_h [D,B,H]. */
static void run(struct keras_build *b, const struct rnn *r, int x, int out[2])
{
    const struct function *gate = find_function(b, r->gate_function);
    const struct function *state = find_function(b, r->function);
    const int in[] = {
        keras_transpose(b, x, (int64_t[]){1, 0, 2}), matrix(b, r, "kernel", 0, r->n_in),
        matrix(b, r, "recurrent_kernel", 1, r->n_units), r->has_bias ? biases(b, r) : DSC_NO_VALUE};
    struct keras_attr attrs[3] = {KERAS_INT("hidden_size", r->n_units),
                                  KERAS_TEXT("direction", r->n_dirs == 2    ? "bidirectional"
                                                          : r->is_backwards ? "reverse"
                                                                            : "forward"),
                                  KERAS_INT("linear_before_reset", 1)};
    const bool is_gru = strcmp(r->cell->op, "GRU") == 0;

    keras_node(b, r->cell->op, r->has_bias ? 4 : 3, in, 2, out, is_gru && r->resets_after ? 3 : 2,
               attrs);
    if (b->st == DSC_OK)
        keras_step(b, set_functions(b->g, b->g->nodes[b->g->n_nodes - 1], r, gate, state, b->err));
}

static int reduce(struct keras_build *b, const char *op, int x, int64_t axis)
{
    return keras_op(b, op, 2, (int[]){x, keras_i64s(b, "axes", 1, &axis)}, 1,
                    (struct keras_attr[]){KERAS_INT("keepdims", 0)});
}

/* The directions beside each other, or reduced by an operator. */
static int output(struct keras_build *b, const struct rnn *r, const char *merge, const int y[2])
{
    const int64_t n = r->n_dirs * r->n_units, steps[] = {0, 0, n}, last[] = {0, n};
    int x;

    if (!r->has_sequence) {
        x = keras_transpose(b, y[1], (int64_t[]){1, 0, 2});
        return merge ? reduce(b, merge, x, 1) : keras_reshape(b, x, 2, last);
    }
    x = keras_transpose(b, y[0], (int64_t[]){2, 0, 1, 3});
    return merge ? reduce(b, merge, x, 2) : keras_reshape(b, x, 3, steps);
}

static int build(struct keras_build *b, const struct cell *cell, int n_in, const int *in)
{
    struct rnn r = {.cell = cell, .n_dirs = 1, .part = {{NULL, "cell"}}};
    int y[2];

    read_options(b, &r, in[0]);
    if (r.is_backwards && r.has_sequence)
        return keras_fail(b, DSC_E_UNSUPPORTED, "go_backwards with return_sequences");
    run(b, &r, in[0], y);
    return output(b, &r, NULL, y);
}

int keras_lstm(struct keras_build *b, int n_in, const int *in)
{
    return build(b, &lstm, n_in, in);
}

int keras_gru(struct keras_build *b, int n_in, const int *in)
{
    return build(b, &gru, n_in, in);
}

int keras_simple_rnn(struct keras_build *b, int n_in, const int *in)
{
    return build(b, &simple, n_in, in);
}

/* ---- both directions ---- */

/* The second direction has the first one's options. */
static void check_backward(struct keras_build *b, const json_t *forward, const json_t *backward)
{
    static const char *const keys[] = {"units",    "activation",       "recurrent_activation",
                                       "use_bias", "return_sequences", "reset_after"};

    for (size_t i = 0; backward && i < sizeof keys / sizeof keys[0]; i++) {
        const json_t *v = json_object_get(json_object_get(forward, "config"), keys[i]);
        const json_t *w = json_object_get(json_object_get(backward, "config"), keys[i]);

        if (v != w && !json_equal(v, w))
            keras_fail(b, DSC_E_UNSUPPORTED, "directions of different '%s'", keys[i]);
    }
}

/* "forward_lstm_1" and "backward_lstm_1": of "lstm_1", before Keras 3. */
static void name_parts(struct keras_build *b, struct rnn *r, const json_t *config)
{
    static const char first[] = "forward_";
    const char *name = json_string_value(json_object_get(config, "name"));
    char *text[MAX_DIRS];

    if (!name) {
        keras_fail(b, DSC_E_SCHEMA, "a layer without a name");
        return;
    }
    name += strncmp(name, first, sizeof first - 1) == 0 ? sizeof first - 1 : 0;
    text[0] = dsc_arena_printf(&b->tmp, b->err, "forward_%s", name);
    text[1] = dsc_arena_printf(&b->tmp, b->err, "backward_%s", name);
    if (!text[0] || !text[1])
        keras_step(b, DSC_E_MEMORY);
    r->part[0] = (struct keras_part){text[0], "forward_layer/cell"};
    r->part[1] = (struct keras_part){text[1], "backward_layer/cell"};
}

static bool find_merge(struct keras_build *b, const char **op)
{
    static const struct {
        const char *mode, *op;
    } rows[] = {
        {"concat", NULL}, {"sum", "ReduceSum"}, {"mul", "ReduceProd"}, {"ave", "ReduceMean"}};
    const char *mode = keras_text(b, "merge_mode", "none");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].mode, mode) == 0) {
            *op = rows[i].op;
            return true;
        }
    keras_fail(b, DSC_E_UNSUPPORTED, "merge_mode %.20s", mode);
    return false;
}

/* The wrapped layer's options, in its own words. */
static void read_inner(struct keras_build *b, struct rnn *r, const json_t *layer, int x)
{
    struct keras_layer *around = b->layer, inner = *b->layer;
    const char *name = json_string_value(json_object_get(layer, "class_name"));

    inner.row = keras_find_class(layer);
    inner.config = json_object_get(layer, "config");
    r->cell = !inner.row                             ? NULL
              : inner.row->build == keras_lstm       ? &lstm
              : inner.row->build == keras_gru        ? &gru
              : inner.row->build == keras_simple_rnn ? &simple
                                                     : NULL;
    if (!r->cell || !json_is_object(inner.config)) {
        keras_fail(b, DSC_E_UNSUPPORTED, "both directions of %.60s", name ? name : "no layer");
        return;
    }
    b->layer = &inner;
    keras_check_options(b);
    read_options(b, r, x);
    name_parts(b, r, inner.config);
    if (r->is_backwards)
        keras_fail(b, DSC_E_UNSUPPORTED, "go_backwards in both directions");
    b->layer = around;
}

int keras_bidirectional(struct keras_build *b, int n_in, const int *in)
{
    const json_t *layer = keras_option(b, "layer");
    struct rnn r = {.n_dirs = 2};
    const char *merge = NULL;
    int y[2];

    check_backward(b, layer, keras_option(b, "backward_layer"));
    read_inner(b, &r, layer, in[0]);
    if (b->st != DSC_OK || !find_merge(b, &merge))
        return DSC_NO_VALUE;
    run(b, &r, in[0], y);
    return output(b, &r, merge, y);
}
