/* Errors of quantized layers on data. */
#include "layers.h"

#include "observe.h"

#include <math.h>

#define MOST_DB 200.0 /* of an error that is not there */

struct measure {
    const struct dsc_pair *pair;
    struct dsc_power **power;
    struct dsc_kept kept[2];
};

void dsc_power_add(struct dsc_power *p, const float *got, const float *want, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double e = (double)got[i] - (double)want[i];

        p->signal += (double)want[i] * (double)want[i];
        p->noise += e * e;
        p->most = fabs(e) > p->most ? fabs(e) : p->most;
    }
}

double dsc_power_db(const struct dsc_power *p)
{
    if (!isfinite(p->noise))
        return -MOST_DB;
    if (p->noise == 0)
        return MOST_DB;
    return fmin(MOST_DB, fmax(-MOST_DB, 10 * log10(p->signal / p->noise)));
}

static enum dsc_status see(void *ctx, const struct dsc_node *n, const struct dsc_tensor *const *in,
                           struct dsc_tensor *const *out, const struct dsc_tensor *mask,
                           struct dsc_err *err)
{
    struct measure *m = ctx;
    struct dsc_tensor host[2] = {0};
    const float *x[2];
    int64_t n_x[2];
    enum dsc_pair_error kind;
    int layer;
    enum dsc_status st = DSC_OK;

    if (!dsc_pair_error_of(n, &kind, &layer))
        return DSC_OK;
    if (!dsc_tensor_same_shape(in[0], in[1]))
        return dsc_fail(err, DSC_E_INCONSISTENT, "'%s' has other shapes in the two models",
                        m->pair->layers[layer].name);
    for (int i = 0; i < 2 && st == DSC_OK; i++) {
        st = dsc_to_host(&host[i], in[i], err);
        if (st == DSC_OK)
            st = dsc_observe_values(&m->kept[i], mask, &host[i], &x[i], &n_x[i], err);
    }
    if (st == DSC_OK)
        dsc_power_add(&m->power[kind][layer], x[0], x[1], n_x[0]);
    dsc_tensor_clear(&host[0]);
    dsc_tensor_clear(&host[1]);
    return st;
}

enum dsc_status dsc_layers_measure(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                   const struct dsc_pair *pair, const struct dsc_dataset *d,
                                   int64_t n, int64_t batch, struct dsc_device *dev,
                                   struct dsc_power *power[DSC_N_PAIR_ERRORS], struct dsc_err *err)
{
    struct measure x = {.pair = pair, .power = power};
    struct dsc_graph *g;
    enum dsc_status st;

    for (int i = 0; i < DSC_N_PAIR_ERRORS; i++)
        DSC_NEW(power[i], cmd->arena, pair->n_layers, err);
    DSC_TRY(dsc_pair_compare(pair, &g, err));
    st = dsc_observe_nodes(cmd, m, g, d, n, batch, dev, "layers", see, &x, err);
    for (int i = 0; i < 2; i++)
        dsc_heap_free(x.kept[i].data);
    dsc_graph_free(g);
    return st;
}
