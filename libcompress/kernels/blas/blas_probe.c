/* Which BLAS is linked, and does it multiply. */
#include "dsc/machine.h"
#include "dsc/rng.h"
#include "kernels/blas/blas.h"

#ifdef HAVE_OPENBLAS
#include <cblas.h>
#endif
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TEST_MAX = 67 };

struct shape {
    int m, n, k;
};

void dsc_blas_probe(struct dsc_blas_info *info)
{
#ifdef HAVE_OPENBLAS
    snprintf(info->config, sizeof info->config, "%s", openblas_get_config());
    snprintf(info->core, sizeof info->core, "%s", openblas_get_corename());
    info->n_threads = openblas_get_num_threads();
#else
    snprintf(info->config, sizeof info->config, "none: products run in plain C");
    snprintf(info->core, sizeof info->core, "reference");
    info->n_threads = 1;
#endif
}

const char *dsc_blas_better_core(const char *core, enum dsc_cpu_level level)
{
    static const char *const good[] = {"Haswell",        "Zen",      "SkylakeX", "Cooperlake",
                                       "SapphireRapids", "reference"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (strcmp(core, good[i]) == 0)
            return NULL;
    return level >= DSC_CPU_AVX512 ? "SkylakeX" : level >= DSC_CPU_AVX2 ? "Haswell" : NULL;
}

/* One product with op(A) and op(B); C holds NaN before, which beta = 0 must not read. */
static bool is_right(const struct shape *s, bool ta, bool tb, const float *a, const float *b,
                     float *c)
{
    const int lda = ta ? s->m : s->k, ldb = tb ? s->k : s->n;

    for (int i = 0; i < s->m * s->n; i++)
        c[i] = NAN;
    dsc_sgemm(ta, tb, s->m, s->n, s->k, 1.0F, a, lda, b, ldb, 0.0F, c, s->n);
    for (int i = 0; i < s->m; i++) {
        for (int j = 0; j < s->n; j++) {
            double sum = 0, size = 0;

            for (int k = 0; k < s->k; k++) {
                const double x = (double)a[ta ? k * lda + i : i * lda + k] *
                                 (double)b[tb ? j * ldb + k : k * ldb + j];

                sum += x;
                size += fabs(x);
            }
            if (!(fabs((double)c[i * s->n + j] - sum) <= 1e-5 * size + 1e-30))
                return false;
        }
    }
    return true;
}

enum dsc_status dsc_blas_self_test(int *n_cases, int *n_wrong, struct dsc_err *err)
{
    static const int sizes[] = {1, 2, 3, 5, 7, 16, 17, 31, 33, TEST_MAX};
    enum { N_SIZES = sizeof sizes / sizeof sizes[0], N_ELEMS = TEST_MAX * TEST_MAX };
    float *buf = dsc_heap_alloc(3 * N_ELEMS, sizeof *buf, err);
    struct dsc_rng rng;

    *n_cases = *n_wrong = 0;
    if (!buf)
        return err ? err->status : DSC_E_MEMORY;
    dsc_rng_init(&rng, dsc_rng_key(1));
    for (int i = 0; i < 2 * N_ELEMS; i++)
        buf[i] = dsc_rng_normal(&rng);
    for (int i = 0; i < N_SIZES * N_SIZES * N_SIZES; i++) {
        const struct shape s = {sizes[i % N_SIZES], sizes[i / N_SIZES % N_SIZES],
                                sizes[i / N_SIZES / N_SIZES]};
        const bool ta = i & 1, tb = i / 2 & 1;

        *n_cases += 1;
        *n_wrong += !is_right(&s, ta, tb, buf, buf + N_ELEMS, buf + 2 * N_ELEMS);
    }
    dsc_heap_free(buf);
    return DSC_OK;
}
