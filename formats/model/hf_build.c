/* Building blocks of the graphs of Hugging Face folders, and the graph as a whole. */
#include "dsc/io.h"
#include "dsc/op.h"
#include "model/hf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BUILD_NAME_MAX_BYTES = 256, BUILD_MAX_LISTED = 20 };

/* The first failure is kept; from then on every step does nothing. */
static bool step(struct hf_build *b, enum dsc_status st)
{
    if (b->st == DSC_OK)
        b->st = st;
    return b->st == DSC_OK;
}

const char *hf_name(struct hf_build *b, const char *fmt, ...)
{
    char text[BUILD_NAME_MAX_BYTES];
    const char *name;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    name = dsc_arena_strdup(&b->g->arena, text, b->err);
    step(b, name ? DSC_OK : DSC_E_MEMORY);
    return name ? name : "";
}

int hf_call(struct hf_build *b, const char *op, const char *name, int n_in, const int *in,
            struct dsc_node **node)
{
    const char *out_name = b->out_name;
    int out = DSC_NO_VALUE;

    b->out_name = NULL;
    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    if (!out_name)
        step(b, dsc_graph_call(b->g, NULL, op, name, n_in, in, &out, node, b->err));
    else if (step(b, dsc_graph_value(b->g, out_name, NULL, &out, b->err)))
        step(b, dsc_graph_node(b->g, dsc_op_find(NULL, op), name, n_in, in, 1, &out, node, b->err));
    return out;
}

int hf_call_int(struct hf_build *b, const char *op, const char *name, int n_in, const int *in,
                const char *key, int64_t v)
{
    struct dsc_node *node = NULL;
    const int out = hf_call(b, op, name, n_in, in, &node);

    if (b->st == DSC_OK)
        step(b, dsc_node_set_int(b->g, node, key, v, b->err));
    return out;
}

void hf_by_sequence(struct hf_build *b, int value, int64_t d0, int64_t d1)
{
    if (b->st == DSC_OK)
        b->g->values[value].type = (struct dsc_type){
            .dtype = DSC_F32, .rank = d1 ? 4 : 3, .dim = {b->batch, b->sequence, d0, d1}};
}

static int add_init(struct hf_build *b, const char *name, struct dsc_tensor *t)
{
    int id = DSC_NO_VALUE;

    if (b->st == DSC_OK)
        step(b, dsc_graph_init(b->g, name, t, &id, b->err));
    dsc_tensor_clear(t);
    return id;
}

int hf_i64s(struct hf_build *b, const char *name, int rank, int64_t n, const int64_t *v)
{
    struct dsc_tensor t = {0};

    if (b->st != DSC_OK || !step(b, dsc_tensor_new(&t, DSC_I64, rank, &n, b->err)))
        return DSC_NO_VALUE;
    memcpy(t.data, v, (size_t)(rank ? n : 1) * sizeof *v);
    return add_init(b, name, &t);
}

int hf_f32(struct hf_build *b, const char *name, double v)
{
    struct dsc_tensor t = {0};

    if (b->st != DSC_OK || !step(b, dsc_tensor_new(&t, DSC_F32, 0, NULL, b->err)))
        return DSC_NO_VALUE;
    *(float *)t.data = (float)v;
    return add_init(b, name, &t);
}

static void note_problem(struct hf_build *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void note_problem(struct hf_build *b, const char *fmt, ...)
{
    char text[BUILD_NAME_MAX_BYTES * 2];
    va_list ap;

    if (b->n_problems++ >= BUILD_MAX_LISTED)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dsc_bytes_printf(b->problems, "%s%s", b->n_problems > 1 ? "; " : "", text);
}

static int find_weight(const struct hf_weights *w, const char *name)
{
    const struct dsc_tensor *t = dsc_bundle_find(&w->tensors, name);

    if (!t)
        return -1;
    for (int i = 0; i < w->tensors.n; i++)
        if (&w->tensors.items[i].tensor == t)
            return i;
    return -1;
}

int hf_param(struct hf_build *b, const char *name, const char *suffix, int rank, const int64_t *dim)
{
    const char *full = hf_name(b, "%s.%s", name, suffix);
    const int i = find_weight(b->w, full);
    struct dsc_type type = {.dtype = DSC_F32, .rank = rank};
    int id = DSC_NO_VALUE;

    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    memcpy(type.dim, dim, (size_t)rank * sizeof dim[0]);
    if (i >= 0) {
        const struct dsc_tensor *t = &b->w->tensors.items[i].tensor;
        char text[64];

        b->w->is_used[i] = true;
        if (t->rank == rank && memcmp(t->dim, dim, (size_t)rank * sizeof dim[0]) == 0) {
            step(b, dsc_graph_init(b->g, full, t, &id, b->err));
            return id;
        }
        if (rank == 1)
            note_problem(b, "'%s' is %s, config.json says [%" PRId64 "]", full,
                         dsc_tensor_text(t, text, sizeof text), dim[0]);
        else
            note_problem(b, "'%s' is %s, config.json says [%" PRId64 ",%" PRId64 "]", full,
                         dsc_tensor_text(t, text, sizeof text), dim[0], dim[1]);
    } else {
        note_problem(b, "'%s' is missing", full);
    }
    step(b, dsc_graph_value(b->g, full, &type, &id, b->err));
    return id;
}

int hf_linear(struct hf_build *b, int x, const char *name, int64_t n_in, int64_t n_out)
{
    const int w = hf_param(b, name, "weight", 2, (int64_t[]){n_out, n_in});
    const int bias = hf_param(b, name, "bias", 1, &n_out);

    return hf_call_int(b, "Gemm", name, 3, (int[]){x, w, bias}, "transB", 1);
}

int hf_norm(struct hf_build *b, int x, const char *name, int64_t n)
{
    const int gain = hf_param(b, name, "weight", 1, &n), bias = hf_param(b, name, "bias", 1, &n);
    struct dsc_node *node = NULL;
    const int out = hf_call(b, "LayerNormalization", name, 3, (int[]){x, gain, bias}, &node);

    if (b->st == DSC_OK && step(b, dsc_node_set_int(b->g, node, "axis", -1, b->err)))
        step(b, dsc_node_set_float(b->g, node, "epsilon", (float)b->c->norm_eps, b->err));
    return out;
}

int hf_dropout(struct hf_build *b, int x, const char *name, int ratio)
{
    return hf_call(b, "Dropout", name, 2, (int[]){x, ratio}, NULL);
}

/* The activations whose operators do exactly what transformers computes. */
static const struct {
    const char *act, *op, *approximate;
} activations[] = {
    {"gelu", "Gelu", NULL},        {"gelu_python", "Gelu", NULL},
    {"gelu_new", "Gelu", "tanh"},  {"gelu_pytorch_tanh", "Gelu", "tanh"},
    {"gelu_fast", "Gelu", "tanh"}, {"relu", "Relu", NULL},
    {"tanh", "Tanh", NULL},        {"sigmoid", "Sigmoid", NULL},
};

bool hf_activation_is_known(const char *act)
{
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++)
        if (strcmp(activations[i].act, act) == 0)
            return true;
    return false;
}

int hf_activation(struct hf_build *b, int x, const char *name, const char *act)
{
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
        struct dsc_node *node = NULL;
        int out;

        if (strcmp(activations[i].act, act) != 0)
            continue;
        out = hf_call(b, activations[i].op, name, 1, &x, &node);
        if (b->st == DSC_OK && activations[i].approximate)
            step(b, dsc_node_set_string(b->g, node, "approximate", activations[i].approximate,
                                        b->err));
        return out;
    }
    step(b, dsc_fail(b->err, DSC_E_UNSUPPORTED, "activation \"%s\"", act));
    return DSC_NO_VALUE;
}

static int add_input(struct hf_build *b, const char *name)
{
    const struct dsc_type type = {.dtype = DSC_I64, .rank = 2, .dim = {b->batch, b->sequence}};
    int id = DSC_NO_VALUE;

    if (b->st == DSC_OK && step(b, dsc_graph_value(b->g, name, &type, &id, b->err)))
        step(b, dsc_graph_input(b->g, id, b->err));
    return id;
}

/* All that is wrong with the weights, at once. */
static enum dsc_status report_problems(struct hf_build *b)
{
    for (int i = 0; i < b->w->tensors.n; i++)
        if (!b->w->is_used[i])
            note_problem(b, "'%s' is unexpected", b->w->tensors.items[i].name);
    DSC_TRY(b->st);
    if (!b->n_problems)
        return DSC_OK;
    if (b->problems->is_failed)
        return dsc_fail(b->err, DSC_E_MEMORY, "out of memory");
    return dsc_fail(b->err, DSC_E_INCONSISTENT,
                    "the tensors are not those of a %s (%d differences): %.*s%s",
                    b->c->is_classifier ? b->c->family->arch_classify : b->c->family->arch_base,
                    b->n_problems, (int)b->problems->n_bytes, (const char *)b->problems->data,
                    b->n_problems > BUILD_MAX_LISTED ? "; .." : "");
}

static enum dsc_status build_into(struct hf_build *b)
{
    DSC_TRY(dsc_graph_symbol(b->g, "batch", &b->batch, b->err));
    DSC_TRY(dsc_graph_symbol(b->g, "sequence", &b->sequence, b->err));
    b->ids = add_input(b, "input_ids");
    b->mask = add_input(b, "attention_mask");
    b->types = b->c->family->has_types_input ? add_input(b, "token_type_ids") : DSC_NO_VALUE;
    hf_outputs(b, hf_encoder(b));
    DSC_TRY(report_problems(b));
    DSC_TRY(dsc_graph_set_opset(b->g, "", 20, b->err));
    DSC_TRY(dsc_graph_sort(b->g, true, b->err));
    return dsc_graph_verify(b->g, b->err);
}

enum dsc_status hf_graph_build(struct dsc_graph **g, const struct hf_config *c,
                               struct hf_weights *w, struct dsc_err *err)
{
    struct dsc_bytes problems = {0};
    struct hf_build b = {.c = c, .w = w, .problems = &problems, .err = err};
    enum dsc_status st;

    *g = dsc_graph_new(err);
    if (!*g)
        return DSC_E_MEMORY;
    b.g = *g;
    st = build_into(&b);
    dsc_bytes_clear(&problems);
    if (st != DSC_OK) {
        dsc_graph_free(*g);
        *g = NULL;
    }
    return st;
}
