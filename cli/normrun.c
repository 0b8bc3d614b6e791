/* New statistics for BatchNormalization. */
#include "normrun.h"

#include "observe.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { IN_MEAN = 3, IN_VAR = 4 };

/* Of one node, known by the value of its mean. */
struct statistics {
    const char *name;
    int mean, var;
    int64_t n_channels, n; /* n: values of each channel */
    double *sum, *square;  /* [n_channels] */
};

struct normrun {
    struct statistics *s;
    int n;
};

static bool has_statistics(const struct dsc_graph *g, const struct dsc_node *n)
{
    return n->op && strcmp(n->op->onnx, "BatchNormalization") == 0 &&
           dsc_node_int(n, "training_mode", 0) == 0 &&
           dsc_tensor_is_present(&g->values[n->in[IN_MEAN]].init) &&
           dsc_tensor_is_present(&g->values[n->in[IN_VAR]].init) &&
           g->values[n->in[IN_MEAN]].init.dtype == DSC_F32;
}

int dsc_normrun_count(const struct dsc_graph *g)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        n += has_statistics(g, g->nodes[i]);
    return n;
}

/* From now on g's nodes take the statistics of the batch. */
static enum dsc_status list(struct dsc_cmd *cmd, struct normrun *r, struct dsc_graph *g,
                            struct dsc_err *err)
{
    DSC_NEW(r->s, cmd->arena, dsc_normrun_count(g) + 1, err);
    for (int i = 0; i < g->n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];
        struct statistics *s = &r->s[r->n];

        if (!has_statistics(g, n))
            continue;
        *s = (struct statistics){.name = n->name, .mean = n->in[IN_MEAN], .var = n->in[IN_VAR]};
        s->n_channels = dsc_tensor_n_elems(&g->values[s->mean].init);
        DSC_NEW(s->sum, cmd->arena, s->n_channels + 1, err);
        DSC_NEW(s->square, cmd->arena, s->n_channels + 1, err);
        DSC_TRY(dsc_node_set_int(g, n, "training_mode", 1, err));
        r->n++;
    }
    return DSC_OK;
}

static void add(struct statistics *s, const struct dsc_tensor *x)
{
    const float *v = x->data;
    const int64_t n = dsc_tensor_n_elems(x);
    const int64_t inner = n / (x->dim[0] * s->n_channels);

    for (int64_t i = 0; i < n; i++) {
        const double y = (double)v[i];

        s->sum[i / inner % s->n_channels] += y;
        s->square[i / inner % s->n_channels] += y * y;
    }
    s->n += n / s->n_channels;
}

static enum dsc_status see(void *ctx, const struct dsc_node *n, const struct dsc_tensor *const *in,
                           struct dsc_tensor *const *out, const struct dsc_tensor *mask,
                           struct dsc_err *err)
{
    const struct normrun *r = ctx;
    struct dsc_tensor host;

    for (int i = 0; i < r->n; i++) {
        if (strcmp(n->op->onnx, "BatchNormalization") != 0 || n->in[IN_MEAN] != r->s[i].mean ||
            dsc_tensor_n_elems(in[0]) == 0)
            continue;
        DSC_TRY(dsc_to_host(&host, in[0], err));
        add(&r->s[i], &host);
        dsc_tensor_clear(&host);
    }
    return DSC_OK;
}

static enum dsc_status put(const struct statistics *s, struct dsc_graph *g, struct dsc_err *err)
{
    struct dsc_tensor mean = {0}, var = {0};
    enum dsc_status st;

    DSC_TRY_OUT(st, dsc_tensor_new(&mean, DSC_F32, 1, &s->n_channels, err));
    DSC_TRY_OUT(st, dsc_tensor_new(&var, DSC_F32, 1, &s->n_channels, err));
    for (int64_t k = 0; k < s->n_channels; k++) {
        const double m = s->sum[k] / (double)s->n;
        const double v = s->square[k] / (double)s->n - m * m;

        if (!isfinite(v))
            DSC_TRY_OUT(st,
                        dsc_fail(err, DSC_E_NONFINITE,
                                 "'%s': channel %" PRId64 " holds NaN or infinity", s->name, k));
        ((float *)mean.data)[k] = (float)m;
        ((float *)var.data)[k] = (float)fmax(v, 0);
    }
    DSC_TRY_OUT(st, dsc_graph_set_init(g, s->mean, &mean, err));
    st = dsc_graph_set_init(g, s->var, &var, err);
out:
    dsc_tensor_clear(&mean);
    dsc_tensor_clear(&var);
    return st;
}

enum dsc_status dsc_normrun(struct dsc_cmd *cmd, struct dsc_textmodel *m,
                            const struct dsc_dataset *d, int64_t n_rows, int64_t batch,
                            struct dsc_device *dev, struct dsc_err *err)
{
    struct normrun r = {0};
    struct dsc_graph *g = dsc_graph_copy(m->model.graph, err);
    enum dsc_status st;

    if (!g)
        return DSC_E_MEMORY;
    st = list(cmd, &r, g, err);
    if (st == DSC_OK)
        st = dsc_observe_nodes(cmd, m, g, d, n_rows < (int64_t)d->n ? n_rows : (int64_t)d->n, batch,
                               dev, "norms", see, &r, err);
    for (int i = 0; i < r.n && st == DSC_OK; i++)
        if (r.s[i].n > 0)
            st = put(&r.s[i], m->model.graph, err);
    dsc_graph_free(g);
    return st;
}
