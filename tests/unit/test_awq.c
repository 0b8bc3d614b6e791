/*
 * AWQ (Lin et al. 2023, arXiv:2306.00978) against its formula in naive double arithmetic, and the
 * scales of groups against all scales and zero points of a fine grid.
 */
#include "dsc/linalg.h"
#include "quant_graphs.h"
#include "weights.h"

enum { N = 12, K = 64, TOKENS = 90, GROUP = 32, N_WEIGHTS = 2, N_SEEDS = 24 };

struct layer {
    float x[TOKENS * K], h[K * K];
    float w[N_WEIGHTS][N * K];
    struct dsc_weight_layout layout;
};

static void fill(float *v, int64_t n, const char *name, int seed)
{
    struct dsc_rng r;

    dsc_rng_init(&r, dsc_rng_mix_text(dsc_rng_key((uint64_t)seed + 20), name));
    for (int64_t i = 0; i < n; i++)
        v[i] = dsc_rng_normal(&r);
}

/* Channels of x between 0.1 and 30, which the second weight's columns make up for in part. */
static void make_layer(struct layer *l, struct dsc_device *dev, int seed)
{
    float size[K];

    fill(size, K, "sizes", seed);
    fill(l->x, TOKENS * K, "x", seed);
    fill(l->w[0], N * K, "w0", seed);
    fill(l->w[1], N * K, "w1", seed);
    for (int64_t i = 0; i < TOKENS * K; i++)
        l->x[i] *= powf(4, size[i % K]);
    for (int64_t i = 0; i < N * K; i++)
        l->w[1][i] *= 3 * powf(3, -size[i % K] * (float)(seed % 3) / 2);
    memset(l->h, 0, sizeof l->h);
    OK(dsc_linalg_gram(dev, l->h, l->x, TOKENS, K, &err));
    l->layout = (struct dsc_weight_layout){4, seed % 2 == 1, GROUP};
}

/* s_k = a_k^alpha, divided by sqrt(max s min s); a_k: root mean square of channel k. */
static void paper_scales(const struct layer *l, double alpha, double s[K])
{
    double most = 0, least = INFINITY;

    for (int k = 0; k < K; k++) {
        double sum = 0;

        for (int t = 0; t < TOKENS; t++)
            sum += pow((double)l->x[t * K + k], 2);
        s[k] = pow(sqrt(sum / TOKENS), alpha);
        most = fmax(most, s[k]);
        least = fmin(least, s[k]);
    }
    for (int k = 0; k < K; k++)
        s[k] /= sqrt(most * least);
}

/* |(Q(W diag(s)) diag(s)^-1 - W) X|^2, by tokens; Q rounds with scales that know E[(x / s)^2]. */
static double paper_error(const struct layer *l, struct dsc_device *dev, int which,
                          const double s[K])
{
    const float *w = l->w[which];
    float scaled[N * K], importance[K];
    struct dsc_weight_codes q;
    double error = 0;

    for (int k = 0; k < K; k++)
        importance[k] = (float)((double)l->h[k * K + k] / (s[k] * s[k]));
    for (int i = 0; i < N * K; i++)
        scaled[i] = (float)((double)w[i] * s[i % K]);
    OK(dsc_weight_codes_new(&q, &l->layout, N, K, &err));
    dsc_weight_scales(dev, &q, scaled, importance);
    dsc_weight_round(dev, &q, scaled);
    for (int n = 0; n < N; n++)
        for (int t = 0; t < TOKENS; t++) {
            double sum = 0;

            for (int k = 0; k < K; k++)
                sum +=
                    (dsc_weight_value(&q, n, k, q.code[n * K + k]) / s[k] - (double)w[n * K + k]) *
                    (double)l->x[t * K + k];
            error += sum * sum;
        }
    dsc_weight_codes_clear(&q);
    return error;
}

START_TEST(awq_finds_the_alpha_of_least_error_of_the_papers_grid)
{
    static struct layer l;
    const float *w[N_WEIGHTS] = {l.w[0], l.w[1]};
    const int64_t n_rows[N_WEIGHTS] = {N, N};
    double s[K], best = INFINITY, want = -1, alpha;
    struct dsc_device *dev;
    float got[K];

    OK(dsc_device_open(&dev, "cpu", 2, &err));
    make_layer(&l, dev, _i);
    for (int i = 0; i < 20; i++) {
        double error = 0;

        paper_scales(&l, i / 20.0, s);
        for (int k = 0; k < N_WEIGHTS; k++)
            error += paper_error(&l, dev, k, s);
        if (error < best) {
            best = error;
            want = i / 20.0;
        }
    }
    OK(dsc_awq(dev, N_WEIGHTS, w, n_rows, K, l.h, &l.layout, got, &alpha, &err));
    ck_assert_double_eq_tol(alpha, want, 1e-9);
    ck_assert_double_gt(alpha, 0);
    paper_scales(&l, want, s);
    for (int k = 0; k < K; k++)
        ck_assert_double_eq_tol((double)got[k] / s[k], 1, 1e-5);
    dsc_device_close(dev);
}
END_TEST

/* Of a matrix of several blocks only the upper half is known. */
START_TEST(the_error_of_outputs_is_that_of_all_tokens)
{
    enum { WIDE = 600, FEW = 5, ROWS = 3 };
    static float x[FEW * WIDE], e[ROWS * WIDE], h[WIDE * WIDE];
    struct dsc_device *dev;
    double energy, want = 0;

    fill(x, FEW * WIDE, "x", 0);
    fill(e, ROWS * WIDE, "e", 0);
    OK(dsc_device_open(&dev, "cpu", 2, &err));
    OK(dsc_linalg_gram(dev, h, x, FEW, WIDE, &err));
    OK(dsc_linalg_gram_energy(dev, e, ROWS, h, WIDE, &energy, &err));
    for (int r = 0; r < ROWS; r++)
        for (int t = 0; t < FEW; t++) {
            double sum = 0;

            for (int k = 0; k < WIDE; k++)
                sum += (double)e[r * WIDE + k] * (double)x[t * WIDE + k];
            want += sum * sum;
        }
    ck_assert_double_eq_tol(energy / want, 1, 1e-5);
    dsc_device_close(dev);
}
END_TEST

/* ---- scales of a group ---- */

struct group {
    float v[GROUP], c[GROUP];
    bool is_symmetric;
};

static double group_error(const struct group *g, double scale, int zero)
{
    double sum = 0;

    for (int i = 0; i < GROUP; i++) {
        const double q = rint((double)g->v[i] / scale) + zero;
        const double low = g->is_symmetric ? 1 : 0;
        const double code = fmin(fmax(q, low), 15);

        sum += (double)g->c[i] * pow((double)g->v[i] - (code - zero) * scale, 2);
    }
    return sum;
}

static double least_error(const struct group *g)
{
    double best = INFINITY, most = 0;

    for (int i = 0; i < GROUP; i++)
        most = fmax(most, fabs((double)g->v[i]));
    for (int zero = g->is_symmetric ? 8 : 0; zero <= (g->is_symmetric ? 8 : 15); zero++)
        for (int k = 1; k <= 600; k++)
            best = fmin(best, group_error(g, most * k / 2400, zero));
    return best;
}

/*
 * The second half of a row weighs otherwise than the first. Without the refit the found errors are
 * 1.072 and 1.040 of the best, with zero points of the range alone 1.12 of it.
 */
START_TEST(searched_scales_are_near_the_best_there_are)
{
    enum { GROUPS = 60 };
    const struct dsc_weight_layout layout = {4, _i == 1, GROUP};
    const double bar = _i == 1 ? 1.025 : 1.06;
    float w[GROUPS / 2 * 2 * GROUP], c[2 * GROUP];
    struct dsc_weight_codes q;
    struct dsc_device *dev;
    double found = 0, best = 0;

    fill(w, GROUPS * GROUP, "w", 1);
    fill(c, 2 * GROUP, "c", 2);
    for (int i = 0; i < GROUPS * GROUP; i++)
        w[i] += i / GROUP % 3 ? 0.0f : 0.8f;
    for (int i = 0; i < 2 * GROUP; i++)
        c[i] = powf(4, c[i]);
    OK(dsc_device_open(&dev, "cpu", 2, &err));
    OK(dsc_weight_codes_new(&q, &layout, GROUPS / 2, 2 * GROUP, &err));
    dsc_weight_scales(dev, &q, w, c);
    dsc_weight_round(dev, &q, w);
    for (int i = 0; i < GROUPS; i++) {
        struct group g = {.is_symmetric = layout.is_symmetric};
        const int zero = q.zero ? q.zero[i] : 8;

        memcpy(g.v, w + i * GROUP, sizeof g.v);
        memcpy(g.c, c + i % 2 * GROUP, sizeof g.c);
        found += group_error(&g, (double)q.scale[i], zero);
        best += least_error(&g);
        for (int k = 0; k < GROUP; k++) {
            const int code = q.code[i * GROUP + k];

            ck_assert_int_ge(code, layout.is_symmetric ? 1 : 0);
            ck_assert_double_eq_tol(dsc_weight_value(&q, i / 2, i % 2 * GROUP + k, (uint8_t)code),
                                    (code - zero) * (double)q.scale[i], 1e-6);
        }
    }
    ck_assert_double_lt(found, bar * best);
    dsc_weight_codes_clear(&q);
    dsc_device_close(dev);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("awq");
    TCase *t = tcase_create("awq");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, awq_finds_the_alpha_of_least_error_of_the_papers_grid, 0, N_SEEDS);
    tcase_add_test(t, the_error_of_outputs_is_that_of_all_tokens);
    tcase_add_loop_test(t, searched_scales_are_near_the_best_there_are, 0, 2);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
