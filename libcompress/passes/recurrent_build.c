/* A classifier of sequences: inputs, normalisation, recurrent layers, a linear head. */
#include "dsc/pass.h"
#include "dsc/rng.h"
#include "passes/rewrite.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 96 };

struct build {
    struct dsc_graph *g;
    const struct dsc_recurrent_spec *s;
    int64_t batch; /* a symbol */
    int lengths;
};

static int64_t n_gates_of(const char *cell)
{
    return strcmp(cell, "LSTM") == 0 ? 4 : strcmp(cell, "GRU") == 0 ? 3 : 1;
}

static enum dsc_status input(struct build *b, const char *name, enum dsc_dtype dtype, int rank,
                             int64_t width, int *id, struct dsc_err *err)
{
    const struct dsc_type type = {
        .dtype = dtype, .rank = rank, .dim = {b->batch, b->s->n_steps, width}};

    DSC_TRY(dsc_graph_value(b->g, name, &type, id, err));
    return dsc_graph_input(b->g, *id, err);
}

static enum dsc_status call(struct build *b, const char *op, const char *name, int n_in,
                            const int *in, int *out, struct dsc_node **node, struct dsc_err *err)
{
    return dsc_add_node(b->g, "", op, name, n_in, in, out, node, err);
}

enum draw { DRAW_UNIFORM, DRAW_NORMAL, DRAW_NOTHING };

/* A weight by its name: uniform in [-size, size), or normal with that deviation. */
static enum dsc_status weight(struct build *b, const char *name, int rank, const int64_t *dim,
                              enum draw draw, double size, int *id, struct dsc_err *err)
{
    struct dsc_tensor t;
    struct dsc_rng r;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_F32, rank, dim, err));
    dsc_rng_init(&r, dsc_rng_mix_text(dsc_rng_key(b->s->seed), name));
    for (int64_t i = 0; draw != DRAW_NOTHING && i < dsc_tensor_n_elems(&t); i++)
        ((float *)t.data)[i] =
            (float)size * (draw == DRAW_NORMAL ? dsc_rng_normal(&r) : 2 * dsc_rng_uniform(&r) - 1);
    st = dsc_add_init(b->g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

static enum dsc_status constants(struct build *b, const char *name, const float *v, int *id,
                                 struct dsc_err *err)
{
    struct dsc_tensor t;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 1, &b->s->n_channels, err));
    memcpy(t.data, v, (size_t)b->s->n_channels * sizeof *v);
    st = dsc_add_init(b->g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

/* (numbers - mean) * scale */
static enum dsc_status normalised(struct build *b, int *out, struct dsc_err *err)
{
    int x, mean, scale;

    DSC_TRY(input(b, "numbers", DSC_F32, 3, b->s->n_channels, &x, err));
    DSC_TRY(constants(b, "normalise.mean", b->s->mean, &mean, err));
    DSC_TRY(constants(b, "normalise.scale", b->s->scale, &scale, err));
    DSC_TRY(call(b, "Sub", "normalise/centred", 2, (int[]){x, mean}, &x, NULL, err));
    return call(b, "Mul", "normalise/scaled", 2, (int[]){x, scale}, out, NULL, err);
}

/* Numbers and embedded categories, [T, rows, width]. */
static enum dsc_status features(struct build *b, int *out, int64_t *width, struct dsc_err *err)
{
    const struct dsc_recurrent_spec *s = b->s;
    int parts[DSC_RECURRENT_CATEGORIES_MAX + 1], joined;
    struct dsc_node *n;

    DSC_TRY(normalised(b, &parts[0], err));
    *width = s->n_channels;
    for (int i = 0; i < s->n_categories; i++) {
        char name[NAME_BYTES];
        int ids, table;

        snprintf(name, sizeof name, "embedding.%.64s", s->categories[i]);
        DSC_TRY(input(b, s->categories[i], DSC_I32, 2, 0, &ids, err));
        DSC_TRY(weight(b, name, 2, (int64_t[]){s->n_values[i], s->n_embedding}, DRAW_NORMAL, 0.1,
                       &table, err));
        DSC_TRY(
            call(b, "Gather", "embedding/row", 2, (int[]){table, ids}, &parts[i + 1], NULL, err));
        *width += s->n_embedding;
    }
    DSC_TRY(input(b, "lengths", DSC_I32, 1, 0, &b->lengths, err));
    joined = parts[0];
    if (s->n_categories > 0) {
        DSC_TRY(call(b, "Concat", "features", s->n_categories + 1, parts, &joined, &n, err));
        DSC_TRY(dsc_node_set_int(b->g, n, "axis", -1, err));
    }
    DSC_TRY(call(b, "Transpose", "steps_first", 1, &joined, out, &n, err));
    return dsc_node_set_ints(b->g, n, "perm", (int64_t[]){1, 0, 2}, 3, err);
}

/* The biases of an LSTM's forget gate are 1: Jozefowicz et al. 2015. */
static void open_forget_gate(const struct build *b, int bias)
{
    const int64_t h = b->s->n_hidden;
    float *v = b->g->values[bias].init.data;

    for (int64_t i = 2 * h; i < 3 * h; i++)
        v[i] = 1;
}

/* One layer: x [T, rows, width] to all states [T, rows, H], and the last one [1, rows, H]. */
static enum dsc_status layer(struct build *b, int number, int x, int64_t width, int *all, int *last,
                             struct dsc_err *err)
{
    const struct dsc_recurrent_spec *s = b->s;
    const int64_t h = s->n_hidden, gates = n_gates_of(s->cell) * h;
    const double size = 1 / sqrt((double)h);
    char name[NAME_BYTES];
    int in[5] = {x, -1, -1, -1, b->lengths}, out[2], axis;
    struct dsc_node *n;

    snprintf(name, sizeof name, "recurrent.%d.W", number);
    DSC_TRY(weight(b, name, 3, (int64_t[]){1, gates, width}, DRAW_UNIFORM, size, &in[1], err));
    snprintf(name, sizeof name, "recurrent.%d.R", number);
    DSC_TRY(weight(b, name, 3, (int64_t[]){1, gates, h}, DRAW_UNIFORM, size, &in[2], err));
    snprintf(name, sizeof name, "recurrent.%d.B", number);
    DSC_TRY(weight(b, name, 2, (int64_t[]){1, 2 * gates}, DRAW_NOTHING, 0, &in[3], err));
    if (strcmp(s->cell, "LSTM") == 0)
        open_forget_gate(b, in[3]);
    snprintf(name, sizeof name, "recurrent/%d/states", number);
    DSC_TRY(dsc_add_value(b->g, name, &out[0], err));
    snprintf(name, sizeof name, "recurrent/%d/last", number);
    DSC_TRY(dsc_add_value(b->g, name, &out[1], err));
    snprintf(name, sizeof name, "recurrent.%d", number);
    DSC_TRY(dsc_graph_node(b->g, dsc_op_find("", s->cell), name, 5, in, 2, out, &n, err));
    DSC_TRY(dsc_node_set_int(b->g, n, "hidden_size", h, err));
    if (strcmp(s->cell, "GRU") == 0)
        DSC_TRY(dsc_node_set_int(b->g, n, "linear_before_reset", 1, err));
    *last = out[1];
    if (number + 1 == s->n_layers)
        return DSC_OK;
    DSC_TRY(dsc_add_i64s(b->g, "direction_axis", 1, (int64_t[]){1}, &axis, err));
    return call(b, "Squeeze", "recurrent/next", 2, (int[]){out[0], axis}, all, NULL, err);
}

static enum dsc_status head(struct build *b, int last, struct dsc_err *err)
{
    const struct dsc_recurrent_spec *s = b->s;
    struct dsc_node *n;
    int axis, x, w, bias, logits;

    DSC_TRY(dsc_add_i64s(b->g, "state_axis", 1, (int64_t[]){0}, &axis, err));
    DSC_TRY(call(b, "Squeeze", "state", 2, (int[]){last, axis}, &x, NULL, err));
    DSC_TRY(weight(b, "classifier.weight", 2, (int64_t[]){s->n_outputs, s->n_hidden}, DRAW_UNIFORM,
                   1 / sqrt((double)s->n_hidden), &w, err));
    DSC_TRY(
        weight(b, "classifier.bias", 1, (int64_t[]){s->n_outputs}, DRAW_NOTHING, 0, &bias, err));
    DSC_TRY(dsc_graph_value(b->g, "logits", NULL, &logits, err));
    DSC_TRY(dsc_graph_node(b->g, dsc_op_find("", "Gemm"), "classifier", 3, (int[]){x, w, bias}, 1,
                           &logits, &n, err));
    DSC_TRY(dsc_node_set_int(b->g, n, "transB", 1, err));
    return dsc_graph_output(b->g, logits, err);
}

enum dsc_status dsc_recurrent_build(struct dsc_graph *g, const struct dsc_recurrent_spec *s,
                                    struct dsc_err *err)
{
    struct build b = {.g = g, .s = s};
    int64_t width;
    int x, last = -1;

    if (s->n_categories > DSC_RECURRENT_CATEGORIES_MAX)
        return dsc_fail(err, DSC_E_LIMIT, "%d categories, limit %d", s->n_categories,
                        DSC_RECURRENT_CATEGORIES_MAX);
    g->ir_version = 8;
    DSC_TRY(dsc_graph_set_opset(g, "", 17, err));
    DSC_TRY(dsc_graph_symbol(g, "batch", &b.batch, err));
    DSC_TRY(features(&b, &x, &width, err));
    for (int i = 0; i < s->n_layers; i++) {
        DSC_TRY(layer(&b, i, x, width, &x, &last, err));
        width = s->n_hidden;
    }
    DSC_TRY(head(&b, last, err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
