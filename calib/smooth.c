/*
 * SmoothQuant's alpha of one activation. A large one makes the activation easy to round and the
 * weights hard, a small one the other way; what a layer's output loses by both is estimated for
 * each alpha of a grid.
 *
 * Of the activation: tokens are rounded by the range that the observer gives after smoothing, and
 * their errors are multiplied by the weights. Of the weights: some rows are rounded to the nearest,
 * with the scales that they will have; errors e_k of one row that are independent of each other
 * give the output's error sum over k of d_k e_k^2 for each token. d_k is the mean of x_k^2. GPTQ
 * leaves of it what the columns that come later cannot make up for: R_kk^2 / tokens, R the factor
 * of H = R^T R (less what was added to H to factor it). Smoothing by s divides d_k by s_k^2.
 */
#include "dsc/linalg.h"
#include "weights.h"

#include <math.h>

/* Below a half the activations of transformers were always worst. */
static const double grid[] = {0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1};

enum { ROWS = 128 }; /* of a weight that are rounded, at most */

#define TYPICAL 0.85
#define DAMPING 0.01 /* of the mean of the diagonal, as in GPTQ */

struct search {
    struct dsc_device *dev;
    struct dsc_hist hist; /* of the smoothed sample */
    const struct dsc_smooth_job *job;
    double *w_max, *s, *d; /* [k] */
    float *importance;     /* [k] */
    float *rounded;        /* [ROWS,k] */
    float *error;          /* [n_sample,k] */
    float *room;           /* [n_sample, most rows] */
};

static enum dsc_status open_search(struct search *a, struct dsc_err *err)
{
    const struct dsc_smooth_job *job = a->job;
    const size_t k = (size_t)job->in->k, n = (size_t)job->in->n_sample;
    int64_t most = 0;

    for (int i = 0; i < job->n_weights; i++)
        most = job->n_rows[i] > most ? job->n_rows[i] : most;
    a->w_max = dsc_heap_alloc(3 * k + 1, sizeof *a->w_max, err);
    a->error = a->w_max ? dsc_heap_alloc(n * k + 1, sizeof *a->error, err) : NULL;
    a->room = a->error ? dsc_heap_alloc(n * (size_t)most + 1, sizeof *a->room, err) : NULL;
    a->importance = a->room ? dsc_heap_alloc((ROWS + 1) * k + 1, sizeof *a->rounded, err) : NULL;
    if (!a->importance)
        return DSC_E_MEMORY;
    a->s = a->w_max + k;
    a->d = a->s + k;
    a->rounded = a->importance + k;
    for (int i = 0; i < job->n_weights; i++)
        for (int64_t r = 0; r < job->n_rows[i]; r++)
            for (size_t c = 0; c < k; c++)
                a->w_max[c] = fmax(a->w_max[c], fabs((double)job->w[i][(size_t)r * k + c]));
    return DSC_OK;
}

static void close_search(struct search *a)
{
    dsc_heap_free(a->w_max);
    dsc_heap_free(a->error);
    dsc_heap_free(a->room);
    dsc_heap_free(a->importance);
}

static void smooth_scales(struct search *a, double alpha)
{
    const struct dsc_layer_input *in = a->job->in;

    for (int64_t k = 0; k < in->k; k++)
        a->s[k] =
            dsc_smooth_scale(fmax(-(double)in->low[k], (double)in->high[k]), a->w_max[k], alpha);
}

/* d of GPTQ; H is factored as a typical alpha leaves it, with what GPTQ adds to its diagonal. */
static enum dsc_status weigh_for_gptq(struct search *a, struct dsc_err *err)
{
    const struct dsc_layer_input *in = a->job->in;
    const int64_t n = in->k;
    double *r = dsc_heap_alloc((size_t)n, (size_t)n * sizeof *r, err), added = 0;
    int64_t bad = 0;
    enum dsc_status st;

    if (!r)
        return DSC_E_MEMORY;
    smooth_scales(a, TYPICAL);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = i; k < n; k++)
            r[i * n + k] = (double)in->h[i * n + k] / (a->s[i] * a->s[k]);
    for (int64_t i = 0; i < n; i++)
        added += DAMPING * r[i * n + i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        r[i * n + i] += added;
    st = dsc_linalg_cholesky(a->dev, r, n, &bad, err);
    for (int64_t k = 0; st == DSC_OK && bad < 0 && k < n; k++) /* else as if to the nearest */
        a->d[k] =
            fmax(r[k * n + k] * r[k * n + k] - added, 0) * a->s[k] * a->s[k] / (double)in->n_tokens;
    dsc_heap_free(r);
    return st;
}

/* What the squared errors of each column cost. */
static enum dsc_status weigh_columns(struct search *a, struct dsc_err *err)
{
    const struct dsc_layer_input *in = a->job->in;
    double sum = 0;

    for (int64_t k = 0; k < in->k; k++) {
        a->d[k] = (double)in->h[k * in->k + k] / (double)in->n_tokens;
        sum += a->d[k];
    }
    if (!isfinite(sum))
        return dsc_fail(err, DSC_E_NONFINITE, "its input holds NaN or infinity");
    return a->job->is_gptq && sum > 0 ? weigh_for_gptq(a, err) : DSC_OK;
}

/* The range of what is in a->error. The limits of all tokens come first: of the batches that a
 * moving average sees, they are the earlier one. */
static void sample_range(struct search *a, double *low, double *high)
{
    const struct dsc_smooth_job *job = a->job;
    const struct dsc_layer_input *in = job->in;
    float limits[2] = {0};

    for (int64_t k = 0; k < in->k; k++) {
        limits[0] = fminf(limits[0], (float)((double)in->low[k] / a->s[k]));
        limits[1] = fmaxf(limits[1], (float)((double)in->high[k] / a->s[k]));
    }
    dsc_hist_init(&a->hist);
    dsc_hist_add(&a->hist, limits, 2, NULL);
    dsc_hist_add(&a->hist, a->error, in->n_sample * in->k, a->dev->pool);
    job->observer->range(&a->hist, job->param, 1 << dsc_dtype_bits(job->code), low, high);
}

static void round_sample(struct search *a)
{
    const struct dsc_smooth_job *job = a->job;
    const int64_t k = job->in->k, n = job->in->n_sample * k;
    struct dsc_act_codes codes;
    double low, high;

    for (int64_t i = 0; i < n; i++)
        a->error[i] = (float)((double)job->in->sample[i] / a->s[i % k]);
    sample_range(a, &low, &high);
    codes = dsc_act_codes_of(job->code, job->is_symmetric, low, high);
    for (int64_t i = 0; i < n; i++)
        a->error[i] = (float)(((double)dsc_act_value(&codes, a->error[i]) - (double)a->error[i]) *
                              a->s[i % k]);
}

/* Of n rows, the largest magnitude after smoothing. */
static double largest(const struct search *a, const float *w, int64_t n)
{
    const int64_t k = a->job->in->k;
    double most = 0;

    for (int64_t i = 0; i < n * k; i++)
        most = fmax(most, fabs((double)w[i]) * a->s[i % k]);
    return most;
}

static void full_scales(const struct search *a, const float *w, int64_t n_rows, int64_t stride,
                        struct dsc_weight_codes *q)
{
    const bool is_one = a->job->is_per_tensor;
    const double of_all = is_one ? largest(a, w, n_rows) : 0;
    const double limit = fmin(a->job->weight_limit, (1 << (q->layout.bits - 1)) - 1);

    for (int64_t r = 0; r < q->n_rows; r++) {
        const double most = is_one ? of_all : largest(a, w + r * stride * q->n_cols, 1);

        q->scale[r] = most > 0 ? (float)(most / limit) : 1;
    }
}

/* Some rows of a weight, smoothed; what they and their codes differ by is left in `rounded`. */
static enum dsc_status round_rows(const struct search *a, const float *w, int bits, int64_t n_rows,
                                  int64_t stride, int64_t n, struct dsc_weight_codes *q,
                                  struct dsc_err *err)
{
    const int64_t k = a->job->in->k;
    const struct dsc_weight_layout layout = {.bits = bits, .is_symmetric = true};

    DSC_TRY(dsc_weight_codes_new(q, &layout, n, k, err));
    for (int64_t i = 0; i < n * k; i++)
        a->rounded[i] = (float)((double)w[i / k * stride * k + i % k] * a->s[i % k]);
    full_scales(a, w, n_rows, stride, q);
    for (int64_t c = 0; c < k; c++)
        a->importance[c] = (float)((double)a->job->in->h[c * k + c] / (double)a->job->in->n_tokens /
                                   (a->s[c] * a->s[c]));
    if (a->job->is_gptq || (bits < 8 && !a->job->is_per_tensor))
        dsc_weight_scales(a->dev, q, a->rounded, a->job->is_gptq ? a->importance : NULL);
    dsc_weight_round(a->dev, q, a->rounded);
    for (int64_t i = 0; i < n * k; i++)
        a->rounded[i] -= (float)dsc_weight_value(q, i / k, i % k, q->code[i]);
    return DSC_OK;
}

/* For each token, of one weight by some of its rows. */
static enum dsc_status weight_error(const struct search *a, const float *w, int bits,
                                    int64_t n_rows, double *error, struct dsc_err *err)
{
    const int64_t k = a->job->in->k, stride = (n_rows + ROWS - 1) / ROWS;
    const int64_t n = stride > 0 ? (n_rows + stride - 1) / stride : 0;
    struct dsc_weight_codes q = {0};
    enum dsc_status st = round_rows(a, w, bits, n_rows, stride, n, &q, err);
    double sum = 0;

    for (int64_t i = 0; st == DSC_OK && i < n * k; i++)
        sum += a->d[i % k] * pow((double)a->rounded[i] / a->s[i % k], 2);
    if (n > 0)
        *error += sum * (double)n_rows / (double)n;
    dsc_weight_codes_clear(&q);
    return st;
}

/* The mean over tokens of the squared error of all outputs. */
static enum dsc_status error_of(struct search *a, double *error, struct dsc_err *err)
{
    const struct dsc_smooth_job *job = a->job;
    const int64_t n = job->in->n_sample, k = job->in->k;

    *error = 0;
    round_sample(a);
    for (int i = 0; i < job->n_weights; i++) {
        const struct dsc_product p = {
            .dtype = DSC_F32, .is_trans_b = true, .m = n, .n = job->n_rows[i], .k = k};

        if (job->bits[i] == 0)
            continue;
        DSC_TRY(dsc_linalg_product(a->dev, &p, a->room, a->error, job->w[i], err));
        for (int64_t e = 0; e < p.m * p.n; e++)
            *error += (double)a->room[e] * (double)a->room[e] / (double)n;
        DSC_TRY(weight_error(a, job->w[i], job->bits[i], p.n, error, err));
    }
    return DSC_OK;
}

static enum dsc_status search(struct search *a, double *alpha, struct dsc_err *err)
{
    double best = INFINITY, error;

    DSC_TRY(weigh_columns(a, err));
    for (size_t g = 0; g < sizeof grid / sizeof grid[0]; g++) {
        smooth_scales(a, grid[g]);
        DSC_TRY(error_of(a, &error, err));
        if (!isfinite(error))
            return dsc_fail(err, DSC_E_NONFINITE, "its input or a weight holds NaN or infinity");
        if (error < best) {
            best = error;
            *alpha = grid[g];
        }
    }
    return DSC_OK;
}

enum dsc_status dsc_smooth_search(struct dsc_device *dev, const struct dsc_smooth_job *job,
                                  double *alpha, struct dsc_err *err)
{
    struct search a = {.dev = dev, .job = job};
    enum dsc_status st = open_search(&a, err);

    if (st == DSC_OK)
        st = search(&a, alpha, err);
    close_search(&a);
    return st;
}
