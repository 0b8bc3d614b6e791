/*
 * Rows of f32: arithmetic, reductions, softmax, layer normalization, optimizer steps. Included
 * once by each rows_<level>.c, which names its lanes header.
 */
#include "kernels/kernels.h"
#include "kernels/vecmath.h"

#include <stddef.h>

/* y[i] = expression of i, for all i < n, a vector at a time */
#define EACH(y, n, expression)                 \
    for (int64_t i = 0; i < (n); i += LANES) { \
        int64_t left = (n)-i;                  \
                                               \
        v_put((y) + i, (expression), left);    \
    }
#define AT(x) v_get((x) + i, left, 0.0f)

/* acc = expression of acc and i, in the order of wide.h */
#define EACH_WIDE(n, acc, expression)                     \
    for (int64_t block = 0; block < (n); block += WIDE) { \
        for (int p = 0; p < PARTS; p++) {                 \
            int64_t i = block + p * LANES, left = (n)-i;  \
                                                          \
            if (left > 0)                                 \
                acc.part[p] = (expression);               \
        }                                                 \
    }

void FN(add_f32)(float *y, const float *a, const float *b, int64_t n)
{
    EACH(y, n, AT(a) + AT(b));
}

void FN(sub_f32)(float *y, const float *a, const float *b, int64_t n)
{
    EACH(y, n, AT(a) - AT(b));
}

void FN(mul_f32)(float *y, const float *a, const float *b, int64_t n)
{
    EACH(y, n, AT(a) * AT(b));
}

void FN(mul_add_f32)(float *y, const float *a, const float *b, int64_t n)
{
    EACH(y, n, AT(y) + AT(a) * AT(b));
}

void FN(larger_f32)(float *y, const float *a, const float *b, int64_t n)
{
    EACH(y, n, v_max_or_nan(AT(a), AT(b)));
}

/* Plain loops of a known step: compilers have permutations for them. */
void FN(take_f32)(float *y, const float *x, int64_t step, int64_t n)
{
    if (step == 1)
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i];
    else if (step == 2)
        for (int64_t i = 0; i < n; i++)
            y[i] = x[2 * i];
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = x[step * i];
}

void FN(axpy_f32)(float *y, float alpha, const float *x, int64_t n)
{
    EACH(y, n, AT(y) + AT(x) * alpha);
}

void FN(scale_f32)(float *y, float alpha, const float *x, int64_t n)
{
    EACH(y, n, AT(x) * alpha);
}

void FN(bias_add_f32)(float *y, const float *x, const float *bias, int64_t n_rows, int64_t n)
{
    for (int64_t r = 0; r < n_rows; r++)
        FN(add_f32)(y + r * n, x + r * n, bias, n);
}

/* Four vectors of columns at a time: one cache line or more of each row. */
void FN(col_sum_f32)(float *y, const float *x, int64_t n_rows, int64_t n, int64_t row_step)
{
    for (int64_t i = 0; i < n; i += 4 * LANES) {
        vf sum[4];

        for (int64_t v = 0; v < 4; v++)
            sum[v] = v_get(y + i + v * LANES, n - i - v * LANES, 0.0f);
        for (int64_t r = 0; r < n_rows; r++)
            for (int64_t v = 0; v < 4; v++)
                sum[v] += v_get(x + r * row_step + i + v * LANES, n - i - v * LANES, 0.0f);
        for (int64_t v = 0; v < 4; v++)
            v_put(y + i + v * LANES, sum[v], n - i - v * LANES);
    }
}

float FN(sum_f32)(const float *x, int64_t n)
{
    struct wide acc = wide_set(0.0f);

    EACH_WIDE(n, acc, acc.part[p] + AT(x));
    return wide_sum(acc);
}

float FN(sum_abs_f32)(const float *x, int64_t n)
{
    struct wide acc = wide_set(0.0f);

    EACH_WIDE(n, acc, acc.part[p] + v_abs(AT(x)));
    return wide_sum(acc);
}

float FN(sum_square_f32)(const float *x, int64_t n)
{
    struct wide acc = wide_set(0.0f);

    EACH_WIDE(n, acc, acc.part[p] + AT(x) * AT(x));
    return wide_sum(acc);
}

float FN(max_f32)(const float *x, int64_t n)
{
    struct wide acc = wide_set(-INFINITY);

    EACH_WIDE(n, acc, v_max_or_nan(acc.part[p], v_get(x + i, left, -INFINITY)));
    return wide_max(acc);
}

float FN(min_f32)(const float *x, int64_t n)
{
    struct wide acc = wide_set(-INFINITY);

    EACH_WIDE(n, acc, v_max_or_nan(acc.part[p], -v_get(x + i, left, INFINITY)));
    return -wide_max(acc);
}

float FN(dot_f32)(const float *a, const float *b, int64_t n)
{
    struct wide acc = wide_set(0.0f);

    EACH_WIDE(n, acc, acc.part[p] + AT(a) * AT(b));
    return wide_sum(acc);
}

void FN(softmax_f32)(float *y, const float *x, int64_t n)
{
    float top = FN(max_f32)(x, n);
    struct wide acc = wide_set(0.0f);

    for (int64_t block = 0; block < n; block += WIDE) {
        for (int p = 0; p < PARTS; p++) {
            int64_t i = block + p * LANES;

            if (i < n) {
                vf e = v_exp(v_get(x + i, n - i, -INFINITY) - top);

                acc.part[p] = acc.part[p] + e;
                v_put(y + i, e, n - i);
            }
        }
    }
    FN(scale_f32)(y, 1.0f / wide_sum(acc), y, n);
}

void FN(softmax_bwd_f32)(float *dx, const float *dy, const float *y, int64_t n)
{
    float dot = FN(dot_f32)(dy, y, n);

    EACH(dx, n, AT(dx) + AT(y) * (AT(dy) - dot));
}

void FN(log_softmax_f32)(float *y, const float *x, int64_t n)
{
    float top = FN(max_f32)(x, n), log_sum[LANES];
    struct wide acc = wide_set(0.0f);

    EACH_WIDE(n, acc, acc.part[p] + v_exp(v_get(x + i, left, -INFINITY) - top));
    v_store(log_sum, v_log(v_set(wide_sum(acc))));
    EACH(y, n, (AT(x) - top) - log_sum[0]);
}

void FN(log_softmax_bwd_f32)(float *dx, const float *dy, const float *y, int64_t n)
{
    float total = FN(sum_f32)(dy, n);

    EACH(dx, n, AT(dx) + (AT(dy) - v_exp(AT(y)) * total));
}

void FN(row_stats_f32)(float *mean, float *rstd, const float *x, float epsilon, int64_t n)
{
    float m = FN(sum_f32)(x, n) / (float)n;
    struct wide acc = wide_set(0.0f);

    for (int64_t block = 0; block < n; block += WIDE) {
        for (int p = 0; p < PARTS; p++) {
            int64_t i = block + p * LANES;

            if (i < n) {
                vf d = v_get(x + i, n - i, m) - m;

                d = d * d;
                if (n - i < LANES)
                    d = v_keep(d, n - i);
                acc.part[p] = acc.part[p] + d;
            }
        }
    }
    *mean = m;
    *rstd = 1.0f / sqrtf(wide_sum(acc) / (float)n + epsilon);
}

void FN(layer_norm_f32)(float *y, float *mean, float *rstd, const float *x, const float *gain,
                        const float *bias, float epsilon, int64_t n)
{
    float m, r;

    FN(row_stats_f32)(mean, rstd, x, epsilon, n);
    m = *mean;
    r = *rstd;
    if (bias)
        EACH(y, n, (AT(x) - m) * r * AT(gain) + AT(bias))
    else
        EACH(y, n, (AT(x) - m) * r * AT(gain))
}

void FN(layer_norm_bwd_f32)(float *dx, const float *dy, const float *x, const float *gain,
                            float mean, float rstd, int64_t n)
{
    struct wide sum_g = wide_set(0.0f), sum_gx = wide_set(0.0f);
    float mean_g, mean_gx;

    EACH_WIDE(n, sum_g, sum_g.part[p] + AT(dy) * AT(gain));
    for (int64_t block = 0; block < n; block += WIDE) {
        for (int p = 0; p < PARTS; p++) {
            int64_t i = block + p * LANES, left = n - i;

            if (left > 0) {
                vf gx = AT(dy) * AT(gain) * ((AT(x) - mean) * rstd);

                if (left < LANES)
                    gx = v_keep(gx, left);
                sum_gx.part[p] = sum_gx.part[p] + gx;
            }
        }
    }
    mean_g = wide_sum(sum_g) / (float)n;
    mean_gx = wide_sum(sum_gx) / (float)n;
    EACH(dx, n, AT(dx) + (AT(dy) * AT(gain) - mean_g - (AT(x) - mean) * rstd * mean_gx) * rstd);
}

/* Two vectors of columns at a time, down all rows. */
void FN(layer_norm_gain_f32)(float *dgain, float *dbias, const float *dy, const float *x,
                             const float *mean, const float *rstd, int64_t n_rows, int64_t n,
                             int64_t row_step)
{
    for (int64_t i = 0; i < n; i += 2 * LANES) {
        int64_t left = n - i, left2 = left - LANES;
        vf gain0 = v_get(dgain + i, left, 0.0f), gain1 = v_get(dgain + i + LANES, left2, 0.0f);
        vf bias0 = v_get(dbias + i, left, 0.0f), bias1 = v_get(dbias + i + LANES, left2, 0.0f);

        for (int64_t r = 0; r < n_rows; r++) {
            const float *xr = x + r * row_step + i, *gr = dy + r * row_step + i;
            vf g0 = v_get(gr, left, 0.0f), g1 = v_get(gr + LANES, left2, 0.0f);

            gain0 = gain0 + g0 * ((v_get(xr, left, 0.0f) - mean[r]) * rstd[r]);
            gain1 = gain1 + g1 * ((v_get(xr + LANES, left2, 0.0f) - mean[r]) * rstd[r]);
            bias0 = bias0 + g0;
            bias1 = bias1 + g1;
        }
        v_put(dgain + i, gain0, left);
        v_put(dgain + i + LANES, gain1, left2);
        v_put(dbias + i, bias0, left);
        v_put(dbias + i + LANES, bias1, left2);
    }
}

void FN(adamw_f32)(float *w, float *m, float *v, const float *g, const struct dsc_adamw_step *s,
                   int64_t n)
{
    float keep = 1.0f - s->learning_rate * s->decay;
    float step = s->learning_rate / s->correction1;
    float root = sqrtf(s->correction2);

    for (int64_t i = 0; i < n; i += LANES) {
        int64_t left = n - i;
        vf gi = AT(g) * s->grad_scale;
        vf mi = AT(m) + (gi - AT(m)) * (1.0f - s->beta1);
        vf vi_ = AT(v) * s->beta2 + gi * gi * (1.0f - s->beta2);
        vf wi = AT(w) * keep - mi * step / (v_sqrt(vi_) / root + s->epsilon);

        v_put(m + i, mi, left);
        v_put(v + i, vi_, left);
        v_put(w + i, wi, left);
    }
}

void FN(sgd_f32)(float *w, float *velocity, const float *g, const struct dsc_sgd_step *s, int64_t n)
{
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t left = n - i;
        vf gi = AT(g) * s->grad_scale + AT(w) * s->decay;
        vf vel = AT(velocity) * s->momentum + gi;
        vf step = vel;

        if (s->is_nesterov)
            step = gi + vel * s->momentum;
        v_put(velocity + i, vel, left);
        v_put(w + i, AT(w) - step * s->learning_rate, left);
    }
}
