/*
 * A program outside the tree, built against what is installed: y = relu(x W + b) on the cpu.
 * Compiled by installed.sh with the flags of pkg-config.
 */
#include <dsc/exec.h>
#include <dsc/graph.h>
#include <dsc/status.h>
#include <stdio.h>
#include <string.h>

static enum dsc_status add_init(struct dsc_graph *g, const char *name, int rank, const int64_t *dim,
                                const float *values, int *id, struct dsc_err *err)
{
    struct dsc_tensor t;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_F32, rank, dim, err));
    memcpy(t.data, values, dsc_tensor_n_bytes(&t));
    st = dsc_graph_init(g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

static enum dsc_status build(struct dsc_graph *g, struct dsc_err *err)
{
    const struct dsc_type rows = {.dtype = DSC_F32, .rank = 2, .dim = {DSC_DIM_UNKNOWN, 2}};
    const float w[] = {1, -1, 2, 3}, b[] = {0.5F, -1};
    int in[3], product, y;

    DSC_TRY(dsc_graph_set_opset(g, "", 17, err));
    DSC_TRY(dsc_graph_value(g, "x", &rows, &in[0], err));
    DSC_TRY(dsc_graph_input(g, in[0], err));
    DSC_TRY(add_init(g, "w", 2, (int64_t[]){2, 2}, w, &in[1], err));
    DSC_TRY(add_init(g, "b", 1, (int64_t[]){2}, b, &in[2], err));
    DSC_TRY(dsc_graph_call(g, "", "Gemm", "product", 3, in, &product, NULL, err));
    DSC_TRY(dsc_graph_call(g, "", "Relu", "relu", 1, &product, &y, NULL, err));
    DSC_TRY(dsc_graph_output(g, y, err));
    DSC_TRY(dsc_graph_sort(g, false, err));
    return dsc_graph_verify(g, err);
}

static enum dsc_status run(const struct dsc_graph *g, struct dsc_err *err)
{
    const float x[] = {1, 1, 0, -1};
    const struct dsc_run options = {0};
    struct dsc_tensor in = {0}, out = {0};
    struct dsc_device *dev = NULL;
    struct dsc_session *s = NULL;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&in, DSC_F32, 2, (int64_t[]){2, 2}, err));
    memcpy(in.data, x, sizeof x);
    st = dsc_device_open(&dev, "cpu", 1, err);
    if (st == DSC_OK)
        st = dsc_session_open(&s, g, dev, err);
    if (st == DSC_OK)
        st = dsc_session_run(s, &options, &in, &out, err);
    for (int64_t i = 0; st == DSC_OK && i < dsc_tensor_n_elems(&out); i++)
        printf("%g\n", dsc_tensor_get_f64(&out, i));
    dsc_tensor_clear(&out);
    dsc_tensor_clear(&in);
    dsc_session_close(s);
    dsc_device_close(dev);
    return st;
}

int main(void)
{
    struct dsc_err err = {0};
    struct dsc_graph *g = dsc_graph_new(&err);

    if (g && build(g, &err) == DSC_OK)
        run(g, &err);
    dsc_graph_free(g);
    if (err.status != DSC_OK)
        fprintf(stderr, "%s [%s]\n", err.message, dsc_status_class(err.status));
    return err.status != DSC_OK;
}
