/*
 * AdaRound. The paper takes batches of the layer's inputs; its loss is a function of their Gram
 * matrix alone, |X E^T|^2 = trace(E H E^T), so that each step here sees all tokens at once.
 */
#include "dsc/linalg.h"
#include "dsc/pool.h"
#include "weights.h"

#include <math.h>
#include <string.h>

/* The rectified sigmoid reaches beyond 0 and 1, so that it can stay there (the paper's numbers). */
#define ZETA 1.1f
#define GAMMA (-0.1f)
/* Adam's, of the paper. */
#define BETA1 0.9
#define BETA2 0.999
#define EPSILON 1e-8

struct ada {
    struct dsc_device *dev;
    struct dsc_weight_codes *q;
    const struct dsc_adaround *how;
    const float *w;
    float *h;            /* [k,k] whole, by token and by the error of rounding to the nearest */
    float *v;            /* [n,k] what is learned */
    float *error;        /* [n,k] rounded softly, less w */
    float *slope;        /* [n,k] error H */
    float *m1, *m2;      /* [n,k] Adam's moments */
    double *row_sum;     /* [n] of the loss */
    double beta;         /* 0: without the regularizer */
    double lambda;       /* of one weight */
    double step1, step2; /* what is left of the moments' start: 1 - BETA^t */
};

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

float dsc_adaround_soft(float v)
{
    const float h = sigmoid(v) * (ZETA - GAMMA) + GAMMA;

    return h < 0 ? 0 : h > 1 ? 1 : h;
}

/* The v whose soft rounding is `part`. */
static float inverse_soft(float part)
{
    return -logf((ZETA - GAMMA) / (part - GAMMA) - 1);
}

struct place {
    float scale, floor; /* the code below w, before the limits */
    float low, high;    /* codes */
    float zero;
};

static struct place place_of(const struct dsc_weight_codes *q, const float *w, int64_t row,
                             int64_t col)
{
    const int64_t at = row * q->n_groups + col / q->layout.group;
    struct place p = {.scale = q->scale[at], .high = (float)((1 << q->layout.bits) - 1)};

    p.low = q->layout.is_symmetric ? 1 : 0;
    p.zero = q->zero ? (float)q->zero[at] : (float)(1 << (q->layout.bits - 1));
    p.floor = floorf(w[row * q->n_cols + col] / p.scale) + p.zero;
    return p;
}

static float clipped(const struct place *p, float code)
{
    return code < p->low ? p->low : code > p->high ? p->high : code;
}

/* What is 0 stays 0: pruned weights take no part. */
static void soft_row(void *ctx, int64_t row)
{
    const struct ada *a = ctx;
    const int64_t k = a->q->n_cols;

    for (int64_t c = 0; c < k; c++) {
        const int64_t i = row * k + c;
        const struct place p = place_of(a->q, a->w, row, c);
        const float code = clipped(&p, p.floor + dsc_adaround_soft(a->v[i]));

        a->error[i] = a->w[i] == 0 ? 0 : (code - p.zero) * p.scale - a->w[i];
    }
}

/* d loss / d v of one weight, and its regularizer; 0 where the soft rounding has come to its end.
 */
static float slope_of(const struct ada *a, int64_t row, int64_t col, double *reg)
{
    const int64_t i = row * a->q->n_cols + col;
    const float s = sigmoid(a->v[i]), h = s * (ZETA - GAMMA) + GAMMA;
    struct place p;
    float d;

    if (a->w[i] == 0 || h <= 0 || h >= 1)
        return 0;
    p = place_of(a->q, a->w, row, col);
    d = p.floor + h > p.low && p.floor + h < p.high ? 2 * a->slope[i] * p.scale : 0;
    if (a->beta > 0) {
        const float x = 2 * h - 1, power = powf(fabsf(x), (float)a->beta - 1);

        *reg += 1 - (double)(power * fabsf(x));
        d -= (float)(a->lambda * 2 * a->beta) * power * (x < 0 ? -1.0f : 1.0f);
    }
    return d * (ZETA - GAMMA) * s * (1 - s);
}

static void loss_row(const struct ada *a, int64_t row, float *grad)
{
    const int64_t k = a->q->n_cols;
    double sum = 0, reg = 0;

    for (int64_t c = 0; c < k; c++) {
        sum += (double)a->error[row * k + c] * (double)a->slope[row * k + c];
        grad[c] = slope_of(a, row, c, &reg);
    }
    a->row_sum[row] = sum + a->lambda * reg;
}

/* grad into `slope`. */
static void grad_row(void *ctx, int64_t row)
{
    const struct ada *a = ctx;

    loss_row(a, row, a->slope + row * a->q->n_cols);
}

static void adam_row(void *ctx, int64_t row)
{
    const struct ada *a = ctx;
    const int64_t first = row * a->q->n_cols, end = first + a->q->n_cols;
    const float b1 = (float)BETA1, b2 = (float)BETA2, rate = (float)(a->how->rate / a->step1);

    grad_row(ctx, row);
    for (int64_t i = first; i < end; i++) {
        const float g = a->slope[i];

        a->m1[i] = b1 * a->m1[i] + (1 - b1) * g;
        a->m2[i] = b2 * a->m2[i] + (1 - b2) * g * g;
        a->v[i] -= rate * a->m1[i] / (sqrtf(a->m2[i] / (float)a->step2) + (float)EPSILON);
    }
}

static enum dsc_status soft_errors(struct ada *a, struct dsc_err *err)
{
    const struct dsc_product p = {
        .dtype = DSC_F32, .m = a->q->n_rows, .n = a->q->n_cols, .k = a->q->n_cols};

    dsc_parallel_for(a->dev->pool, a->q->n_rows, soft_row, a);
    return dsc_linalg_product(a->dev, &p, a->slope, a->error, a->h, err);
}

static void start_row(void *ctx, int64_t row)
{
    const struct ada *a = ctx;
    const int64_t k = a->q->n_cols;

    for (int64_t c = 0; c < k; c++) {
        const struct place p = place_of(a->q, a->w, row, c);
        const float part = a->w[row * k + c] / p.scale + p.zero - p.floor;

        a->v[row * k + c] = inverse_soft(part < 0 ? 0 : part > 1 ? 1 : part);
    }
}

/* Up where more than half is left. */
static void harden_row(void *ctx, int64_t row)
{
    const struct ada *a = ctx;
    const int64_t k = a->q->n_cols;

    for (int64_t c = 0; c < k; c++) {
        const struct place p = place_of(a->q, a->w, row, c);
        const float up = dsc_adaround_soft(a->v[row * k + c]) >= 0.5f ? 1 : 0;

        a->q->code[row * k + c] =
            (uint8_t)(a->w[row * k + c] == 0 ? p.zero : clipped(&p, p.floor + up));
    }
}

static double sum_of(const double *v, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += v[i];
    return sum;
}

/* H whole, times a factor. */
static void fill_gram(struct ada *a, const float *h, double factor)
{
    const int64_t k = a->q->n_cols;

    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i; j < k; j++)
            a->h[i * k + j] = a->h[j * k + i] = (float)((double)h[i * k + j] * factor);
}

static enum dsc_status open_state(struct ada *a, struct dsc_err *err)
{
    const size_t n = (size_t)(a->q->n_rows * a->q->n_cols), k = (size_t)a->q->n_cols;

    a->h = dsc_heap_alloc(k, k * sizeof *a->h, err);
    a->v = a->h ? dsc_heap_alloc(5 * n + 1, sizeof *a->v, err) : NULL;
    a->row_sum = a->v ? dsc_heap_alloc((size_t)a->q->n_rows, sizeof *a->row_sum, err) : NULL;
    if (!a->row_sum)
        return DSC_E_MEMORY;
    a->error = a->v + n;
    a->slope = a->error + n;
    a->m1 = a->slope + n;
    a->m2 = a->m1 + n;
    return DSC_OK;
}

static void close_state(struct ada *a)
{
    dsc_heap_free(a->h);
    dsc_heap_free(a->v);
    dsc_heap_free(a->row_sum);
}

enum dsc_status dsc_adaround_loss(struct dsc_device *dev, struct dsc_weight_codes *q,
                                  const float *w, const float *h, const float *v, double beta,
                                  double lambda, double *loss, float *grad, struct dsc_err *err)
{
    const size_t n = (size_t)(q->n_rows * q->n_cols);
    struct ada a = {.dev = dev, .q = q, .w = w, .beta = beta, .lambda = lambda};
    enum dsc_status st = open_state(&a, err);

    if (st == DSC_OK) {
        fill_gram(&a, h, 1);
        memcpy(a.v, v, n * sizeof *v);
        st = soft_errors(&a, err);
    }
    if (st == DSC_OK) {
        dsc_parallel_for(dev->pool, q->n_rows, grad_row, &a);
        memcpy(grad, a.slope, n * sizeof *grad);
        *loss = sum_of(a.row_sum, q->n_rows);
    }
    close_state(&a);
    return st;
}

static enum dsc_status learn(struct ada *a, struct dsc_err *err)
{
    const struct dsc_adaround *how = a->how;
    const double n_warm = how->warm * (double)how->n_steps;

    dsc_parallel_for(a->dev->pool, a->q->n_rows, start_row, a);
    for (int64_t t = 0; t < how->n_steps; t++) {
        const double part = ((double)t - n_warm) / fmax((double)how->n_steps - n_warm, 1);

        /* a cosine from the first beta to the last, after the warm-up */
        a->beta = part < 0 ? 0
                           : how->beta_last + 0.5 * (how->beta_first - how->beta_last) *
                                                  (1 + cos(part * 3.14159265358979323846));
        a->step1 = 1 - pow(BETA1, (double)t + 1);
        a->step2 = 1 - pow(BETA2, (double)t + 1);
        DSC_TRY(soft_errors(a, err));
        dsc_parallel_for(a->dev->pool, a->q->n_rows, adam_row, a);
        if (!isfinite(sum_of(a->row_sum, a->q->n_rows)))
            return dsc_fail(err, DSC_E_NONFINITE, "its loss is not finite after %lld steps",
                            (long long)t);
        if (how->stopped)
            DSC_TRY(how->stopped(how->ctx, err));
    }
    dsc_parallel_for(a->dev->pool, a->q->n_rows, harden_row, a);
    return DSC_OK;
}

/* trace(E H E^T) of the codes. */
static enum dsc_status error_of(struct ada *a, const float *h, double *error, struct dsc_err *err)
{
    const struct dsc_weight_codes *q = a->q;

    for (int64_t i = 0; i < q->n_rows * q->n_cols; i++)
        a->error[i] =
            (float)dsc_weight_value(q, i / q->n_cols, i % q->n_cols, q->code[i]) - a->w[i];
    return dsc_linalg_gram_energy(a->dev, a->error, q->n_rows, h, q->n_cols, error, err);
}

static enum dsc_status learn_from_nearest(struct ada *a, const float *h,
                                          struct dsc_adaround_report *report, struct dsc_err *err)
{
    const double n = (double)(a->q->n_rows * a->q->n_cols);

    dsc_weight_round(a->dev, a->q, a->w);
    DSC_TRY(error_of(a, h, &report->nearest, err));
    report->error = report->nearest;
    if (!isfinite(report->nearest))
        return dsc_fail(err, DSC_E_NONFINITE, "its input holds NaN or infinity");
    if (!(report->nearest > 0))
        return DSC_OK;
    a->lambda = a->how->lambda / n;
    fill_gram(a, h, 1 / report->nearest);
    DSC_TRY(learn(a, err));
    DSC_TRY(error_of(a, h, &report->error, err));
    if (report->error < report->nearest)
        return DSC_OK;
    dsc_weight_round(a->dev, a->q, a->w);
    report->error = report->nearest;
    return DSC_OK;
}

enum dsc_status dsc_adaround(struct dsc_device *dev, struct dsc_weight_codes *q, const float *w,
                             const float *h, const struct dsc_adaround *how,
                             struct dsc_adaround_report *report, struct dsc_err *err)
{
    struct ada a = {.dev = dev, .q = q, .how = how, .w = w};
    enum dsc_status st = open_state(&a, err);

    if (st == DSC_OK)
        st = learn_from_nearest(&a, h, report, err);
    close_state(&a);
    return st;
}
