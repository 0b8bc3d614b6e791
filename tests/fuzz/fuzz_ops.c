/*
 * Operators on inputs that no exporter writes: a sample node of tests/ops with other shapes,
 * types, values and attributes must give a result or an error. The bytes are the choices.
 */
#include "dsc/exec.h"
#include "fuzz.h"
#include "sample.h"

#include <stdio.h>
#include <string.h>

struct choices {
    const uint8_t *p;
    size_t n_left;
};

/* The next choice below n; 0 when the bytes are used up. */
static unsigned choose(struct choices *c, unsigned n)
{
    if (c->n_left == 0)
        return 0;
    c->n_left--;
    return *c->p++ % n;
}

static int64_t odd_int(struct choices *c)
{
    static const int64_t v[] = {0,  1,         -1,        2,         -2,        3,
                                -3, 7,         8,         9,         INT32_MAX, INT32_MIN,
                                64, INT64_MAX, INT64_MIN, 1LL << 32, 1LL << 62, 255};

    return v[choose(c, sizeof v / sizeof v[0])];
}

static double odd_float(struct choices *c)
{
    static const double v[] = {0, 1, -1, 0.5, 1e30, -1e30, 3, 1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0};

    return v[choose(c, sizeof v / sizeof v[0])];
}

static void refill(struct choices *c, struct dsc_tensor *t)
{
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++) {
        if (dsc_dtype_is_float(t->dtype))
            dsc_tensor_set_f64(t, i, odd_float(c));
        else
            dsc_tensor_set_i64(t, i, odd_int(c));
    }
}

/* A tensor like t with one thing changed: values, one axis, the number of axes, or the type. */
static bool change(struct choices *c, struct dsc_tensor *t)
{
    struct dsc_tensor new_t;
    enum dsc_dtype dtype = t->dtype;
    int64_t dim[DSC_MAX_RANK] = {0};
    int rank = t->rank;

    memcpy(dim, t->dim, sizeof dim);
    switch (choose(c, 5)) {
    case 0:
        if (rank)
            dim[choose(c, (unsigned)rank)] = choose(c, 5);
        break;
    case 1:
        if (rank < DSC_MAX_RANK)
            dim[rank++] = choose(c, 3);
        break;
    case 2:
        rank = rank ? rank - 1 : 0;
        break;
    case 3:
        dtype = (enum dsc_dtype)(1 + choose(c, DSC_DTYPE_COUNT - 1));
        break;
    default:
        break;
    }
    if (dsc_tensor_new(&new_t, dtype, rank, dim, NULL) != DSC_OK)
        return false;
    if (choose(c, 2))
        refill(c, &new_t);
    dsc_tensor_clear(t);
    *t = new_t;
    return true;
}

static void change_attr(struct choices *c, struct dsc_graph *g, struct dsc_node *n)
{
    static const char *const names[] = {"axis",       "axes",       "keepdims",    "perm",
                                        "batch_dims", "block_size", "exclusive",   "k0",
                                        "largest",    "num_heads",  "num_outputs", "to",
                                        "sorted",     "mode",       "equation",    "reduction",
                                        "allowzero",  "epsilon",    "value_ints",  "transA"};
    static const char *const texts[] = {"",          "edge",     "wrap",         "reflect",
                                        "ij,jk->ik", "...->...", "add",          "i,->",
                                        "->",        "ii->i",    "abcdefghij->j"};
    const char *name = n->n_attrs && choose(c, 4)
                           ? n->attrs[choose(c, (unsigned)n->n_attrs)].name
                           : names[choose(c, sizeof names / sizeof names[0])];
    int64_t ints[12];
    int n_ints;

    switch (choose(c, 5)) {
    case 0:
        n_ints = (int)choose(c, 12);
        for (int i = 0; i < n_ints; i++)
            ints[i] = odd_int(c);
        dsc_node_set_ints(g, n, name, ints, n_ints, NULL);
        break;
    case 1:
        dsc_node_set_float(g, n, name, (float)odd_float(c), NULL);
        break;
    case 2:
        dsc_node_set_string(g, n, name, texts[choose(c, sizeof texts / sizeof texts[0])], NULL);
        break;
    default:
        dsc_node_set_int(g, n, name, odd_int(c), NULL);
        break;
    }
}

static void mutate(struct choices *c, struct sample_graph *sg)
{
    for (unsigned k = 1 + choose(c, 4); k > 0; k--) {
        const unsigned i = choose(c, (unsigned)sg->node->n_in + 2);
        int v;

        if ((int)i >= sg->node->n_in) {
            change_attr(c, sg->g, sg->node);
            continue;
        }
        v = sg->node->in[i];
        if (v == DSC_NO_VALUE)
            continue;
        if (choose(c, 16) == 1) {
            sg->node->in[i] = DSC_NO_VALUE;
        } else if (dsc_tensor_is_present(&sg->g->values[v].init)) {
            if (change(c, &sg->g->values[v].init))
                dsc_type_of_tensor(&sg->g->values[v].type, &sg->g->values[v].init);
        } else {
            for (int f = 0; f < sg->n_feeds; f++)
                if (sg->g->inputs[f] == v && change(c, &sg->feed[f]))
                    dsc_type_of_tensor(&sg->g->values[v].type, &sg->feed[f]);
        }
        if (choose(c, 3) == 1) /* the run alone sees the shape */
            dsc_type_unknown(&sg->g->values[v].type);
    }
}

/* Every float feed wants a gradient, where the node has one. */
static void run_backward(struct sample_graph *sg, struct dsc_session *session)
{
    struct dsc_tensor out[SAMPLE_MAX_OUT] = {0}, grads[SAMPLE_MAX_IN] = {0};
    const struct dsc_run run = {.is_training = true};
    int wanted[SAMPLE_MAX_IN], n = 0;
    struct dsc_tape *tape;
    struct dsc_err err = {0};

    for (int i = 0; i < sg->n_feeds; i++)
        if (dsc_dtype_is_float(sg->feed[i].dtype))
            wanted[n++] = sg->g->inputs[i];
    if (n == 0 || dsc_tape_open(&tape, session, n, wanted, 1, &err) != DSC_OK)
        return;
    if (dsc_tape_run(tape, &run, sg->feed, out, &err) == DSC_OK && dsc_dtype_is_float(out[0].dtype))
        dsc_tape_backward(tape, 0, NULL, grads, &err);
    for (int i = 0; i < n; i++)
        dsc_tensor_clear(&grads[i]);
    for (int i = 0; i < sg->g->n_outputs; i++)
        dsc_tensor_clear(&out[i]);
    dsc_tape_close(tape);
}

static void run_forward(struct sample_graph *sg, struct dsc_device *dev)
{
    struct dsc_tensor out[SAMPLE_MAX_OUT] = {0};
    struct dsc_session *session;
    struct dsc_err err = {0};

    if (dsc_session_open(&session, sg->g, dev, &err) != DSC_OK)
        return;
    if (dsc_session_run(session, &(struct dsc_run){0}, sg->feed, out, &err) == DSC_OK) {
        for (int i = 0; i < sg->g->n_outputs; i++)
            dsc_tensor_clear(&out[i]);
        run_backward(sg, session);
    } else if (err.status == DSC_OK) {
        __builtin_trap(); /* a failure without its reason */
    }
    dsc_session_close(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct choices c = {data, n_bytes};
    const unsigned hi = choose(&c, 256), idx = hi * 256 + choose(&c, 256);
    const struct sample *s = &samples[idx % (unsigned)n_samples];
    struct sample_graph sg;
    struct dsc_device *dev;
    struct dsc_err err = {0};

    if (strcmp(s->op, "dsc:QGemm") == 0 ||
        strcmp(s->op, "dsc:QConv") == 0) /* its packed weights come from the lowering alone */
        return 0;
    if (dsc_device_open(&dev, "cpu", 1, &err) != DSC_OK)
        return 0;
    sample_build(&sg, s, choose(&c, 3) == 1 ? DSC_F64 : DSC_F32);
    mutate(&c, &sg);
    fuzz_note(s->op);
    if (dsc_graph_verify(sg.g, &err) == DSC_OK)
        run_forward(&sg, dev);
    sample_clear(&sg);
    dsc_device_close(dev);
    return 0;
}
