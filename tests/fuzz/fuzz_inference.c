/*
 * Graphs of a file on the way to running: what runs as it is gets an inference plan, and what the
 * plan made of it runs and gives outputs of the same type and shape. Graphs are small, and of the
 * operators of quantized products, tables and attention, whose sizes are known before they run.
 */
#include "dsc/exec.h"
#include "dsc/pass.h"
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <string.h>

enum { MAX_NODES = 64, MAX_ELEMS = 1 << 14, MAX_IO = 8, SYMBOL_SIZE = 3 };

static bool is_known_op(const struct dsc_node *n)
{
    static const char *const names[] = {
        "Add",    "Cast",    "DequantizeLinear",   "Gather", "Gelu",      "Gemm",
        "MatMul", "Mul",     "LayerNormalization", "Relu",   "Transpose", "MatMulNBits",
        "Tanh",   "Reshape", "QuantizeLinear",     "Div",    "Softmax",   "DynamicQuantizeLinear"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(n->op->onnx, names[i]) == 0)
            return true;
    return false;
}

static bool is_small(const struct dsc_type *t)
{
    int64_t n = 1;

    if (t->dtype == DSC_DTYPE_NONE || t->rank < 0)
        return false;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] < 0 || t->dim[i] > MAX_ELEMS)
            return false;
        n *= t->dim[i] ? t->dim[i] : 1;
        if (n > MAX_ELEMS)
            return false;
    }
    return true;
}

/* Symbols become a number; then every size is known, or the graph is not for here. */
static bool is_for_here(struct dsc_graph *g)
{
    if (g->n_nodes > MAX_NODES || g->n_inputs > MAX_IO || g->n_outputs > MAX_IO)
        return false;
    for (int i = 0; i < g->n_nodes; i++)
        if (!is_known_op(g->nodes[i]))
            return false;
    for (int i = 0; i < g->n_inputs; i++) {
        struct dsc_type *t = &g->values[g->inputs[i]].type;

        for (int k = 0; k < t->rank; k++)
            t->dim[k] = t->dim[k] < 0 ? SYMBOL_SIZE : t->dim[k];
    }
    if (dsc_graph_verify(g, NULL) != DSC_OK)
        return false;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_out; k++)
            if (g->nodes[i]->out[k] != DSC_NO_VALUE &&
                !is_small(&g->values[g->nodes[i]->out[k]].type))
                return false;
    return true;
}

static bool make_feeds(const struct dsc_graph *g, struct dsc_tensor *feeds)
{
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_type *t = &g->values[g->inputs[i]].type;

        if (!is_small(t) || dsc_tensor_new(&feeds[i], t->dtype, t->rank, t->dim, NULL) != DSC_OK)
            return false;
        for (int64_t k = 0; k < dsc_tensor_n_elems(&feeds[i]); k++)
            if (dsc_dtype_is_float(t->dtype))
                dsc_tensor_set_f64(&feeds[i], k, (double)(k % 7) / 2 - 1);
            else
                dsc_tensor_set_i64(&feeds[i], k, k % 2);
    }
    return true;
}

static enum dsc_status run(const struct dsc_graph *g, struct dsc_device *dev,
                           const struct dsc_tensor *feeds, struct dsc_tensor *out,
                           struct dsc_err *err)
{
    struct dsc_session *s;
    enum dsc_status st = dsc_session_open(&s, g, dev, err);

    if (st != DSC_OK)
        return st;
    st = dsc_session_run(s, &(struct dsc_run){0}, feeds, out, err);
    dsc_session_close(s);
    fuzz_check(st, err);
    return st;
}

static void clear(struct dsc_tensor *t)
{
    for (int i = 0; i < MAX_IO; i++)
        dsc_tensor_clear(&t[i]);
}

static void run_planned(const struct dsc_graph *g, struct dsc_device *dev,
                        const struct dsc_tensor *feeds, const struct dsc_tensor *want)
{
    struct dsc_graph *plan = dsc_graph_copy(g, NULL);
    struct dsc_tensor got[MAX_IO] = {0};
    struct dsc_err err = {0};

    if (!plan)
        return;
    if (dsc_pass_inference(plan, NULL, &err) != DSC_OK ||
        run(plan, dev, feeds, got, &err) != DSC_OK)
        fuzz_fail(&err);
    fuzz_note("planned");
    for (int i = 0; i < g->n_outputs; i++)
        if (got[i].dtype != want[i].dtype || !dsc_tensor_same_shape(&got[i], &want[i]))
            __builtin_trap();
    clear(got);
    dsc_graph_free(plan);
}

static void run_both(struct dsc_graph *g)
{
    struct dsc_tensor feeds[MAX_IO] = {0}, want[MAX_IO] = {0};
    struct dsc_device *dev;
    struct dsc_err err = {0};

    if (dsc_device_open(&dev, "cpu", 1, &err) != DSC_OK)
        return;
    if (make_feeds(g, feeds) && run(g, dev, feeds, want, &err) == DSC_OK)
        run_planned(g, dev, feeds, want);
    else
        fuzz_note(err.message);
    clear(feeds);
    clear(want);
    dsc_device_close(dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct dsc_graph *g = NULL;
    struct fuzz_file f;
    struct dsc_err err = {0};

    fuzz_file_open(&f, data, n_bytes);
    fuzz_check(dsc_onnx_read(&g, f.path, NULL, NULL, &err), &err);
    if (g && is_for_here(g))
        run_both(g);
    dsc_graph_free(g);
    fuzz_file_close(&f);
    return 0;
}
