/* AWQ: channels that x makes large are made large in the weights, so that they are rounded less. */
#include "dsc/linalg.h"
#include "weights.h"

#include <math.h>

#define LEAST 1e-6 /* of the mean square: a channel that is never used keeps a finite scale */

enum { N_ALPHAS = 20 }; /* the paper's grid: 0, 0.05, .. 0.95 */

struct awq {
    struct dsc_device *dev;
    int64_t k;
    const float *h; /* the upper half */
    const struct dsc_weight_layout *layout;
    float *s, *importance; /* [k] */
    float *error;          /* [most rows, k] */
};

/* s_k = a_k^alpha, with sqrt(largest * smallest) = 1 as in the paper's code. */
static void channel_scales(const struct awq *a, double alpha)
{
    double most = 0, least = INFINITY, mean = 0;

    for (int64_t i = 0; i < a->k; i++)
        mean += (double)a->h[i * a->k + i] / (double)a->k;
    for (int64_t i = 0; i < a->k; i++) {
        const double rms = sqrt(fmax((double)a->h[i * a->k + i], LEAST * mean));
        const double v = mean > 0 ? pow(rms, alpha) : 1;

        a->s[i] = (float)v;
        most = fmax(most, v);
        least = fmin(least, v);
    }
    for (int64_t i = 0; i < a->k; i++) {
        const double v = (double)a->s[i] / sqrt(most * least);

        a->s[i] = (float)fmin(fmax(v, 1e-4), 1e4);
        /* of (x / s)^2 */
        a->importance[i] = a->h[i * a->k + i] / (a->s[i] * a->s[i]);
    }
}

/* The error of one weight when W diag(s) is rounded and divided by s again. */
static enum dsc_status error_of(const struct awq *a, const float *w, int64_t n_rows, double *energy,
                                struct dsc_err *err)
{
    struct dsc_weight_codes q;
    enum dsc_status st;

    DSC_TRY(dsc_weight_codes_new(&q, a->layout, n_rows, a->k, err));
    for (int64_t i = 0; i < n_rows * a->k; i++)
        a->error[i] = w[i] * a->s[i % a->k];
    dsc_weight_scales(a->dev, &q, a->error, a->importance);
    dsc_weight_round(a->dev, &q, a->error);
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < a->k; c++) {
            const int64_t i = r * a->k + c;

            a->error[i] =
                (float)((double)w[i] - dsc_weight_value(&q, r, c, q.code[i]) / (double)a->s[c]);
        }
    st = dsc_linalg_gram_energy(a->dev, a->error, n_rows, a->h, a->k, energy, err);
    dsc_weight_codes_clear(&q);
    return st;
}

static enum dsc_status search(struct awq *a, int n_weights, const float *const *w,
                              const int64_t *n_rows, double *alpha, struct dsc_err *err)
{
    double best = INFINITY;

    *alpha = 0;
    for (int i = 0; i < N_ALPHAS; i++) {
        double sum = 0, part = 0;

        channel_scales(a, (double)i / N_ALPHAS);
        for (int k = 0; k < n_weights; k++) {
            DSC_TRY(error_of(a, w[k], n_rows[k], &part, err));
            sum += part;
        }
        if (!isfinite(sum))
            return dsc_fail(err, DSC_E_NONFINITE, "its input holds NaN or infinity");
        if (sum < best) {
            best = sum;
            *alpha = (double)i / N_ALPHAS;
        }
    }
    channel_scales(a, *alpha);
    return DSC_OK;
}

enum dsc_status dsc_awq(struct dsc_device *dev, int n_weights, const float *const *w,
                        const int64_t *n_rows, int64_t n_cols, const float *h,
                        const struct dsc_weight_layout *layout, float *s, double *alpha,
                        struct dsc_err *err)
{
    struct awq a = {.dev = dev, .k = n_cols, .h = h, .layout = layout, .s = s};
    int64_t most = 0;
    enum dsc_status st = DSC_E_MEMORY;

    for (int i = 0; i < n_weights; i++)
        most = n_rows[i] > most ? n_rows[i] : most;
    a.importance = dsc_heap_alloc((size_t)n_cols, sizeof *a.importance, err);
    if (a.importance)
        a.error = dsc_heap_alloc((size_t)(most * n_cols), sizeof *a.error, err);
    if (a.error)
        st = search(&a, n_weights, w, n_rows, alpha, err);
    dsc_heap_free(a.error);
    dsc_heap_free(a.importance);
    return st;
}
