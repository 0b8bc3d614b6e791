/*
 * Speed of the integer product (f32 output with scales and bias), and beside it of the BLAS and of
 * our own product of f32 on packed weights, one thread, at the shapes of encoder layers.
 */
#include "kernels/blas/blas.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { M = 128, SIDE_MAX = 3072, AREA_MAX = 768 * 3072 };

static uint8_t a[M * SIDE_MAX];
static int8_t b[AREA_MAX], packed[AREA_MAX];
static int32_t col_sum[SIDE_MAX];
static float y[M * SIDE_MAX], scale[SIDE_MAX], bias[SIDE_MAX], fa[M * SIDE_MAX], fb[AREA_MAX];

static double gops_int8(const struct dsc_kernels *kernels, int64_t n, int64_t k)
{
    const int32_t zero = 3;
    struct dsc_qgemm q = {.m = M, .n = n, .k = k, .a = a, .a_step = k, .b = packed, .y = y};
    double best = 1e9;

    q.col_sum = col_sum;
    q.a_zero = &zero;
    q.a_scale = q.b_scale = scale;
    q.b_scale_step = 1;
    q.bias = bias;
    q.y_step = n;
    dsc_qgemm_pack(packed, col_sum, b, false, k, n, n, 1);
    for (int i = 0; i < (kernels->level == DSC_CPU_REF ? 1 : 40); i++) {
        double start = now(), t;

        kernels->qgemm(&q);
        t = now() - start;
        best = t < best ? t : best;
    }
    return 2e-9 * M * (double)n * (double)k / best;
}

static double gflops_f32(int64_t n, int64_t k)
{
    double best = 1e9;

    for (int i = 0; i < 20; i++) {
        double start = now(), t;

        dsc_sgemm(false, false, M, n, k, 1, fa, k, fb, n, 0, y, n);
        t = now() - start;
        best = t < best ? t : best;
    }
    return 2e-9 * M * (double)n * (double)k / best;
}

static double gflops_packed(const struct dsc_kernels *kernels, int64_t n, int64_t k)
{
    static float packed_f32[AREA_MAX];
    struct dsc_sgemm_packed q = {.m = M, .n = n, .k = k, .a = fa, .a_step = k, .b = packed_f32};
    double best = 1e9;

    q.b_step = DSC_SGEMM_PANEL;
    q.b_panel_step = k * DSC_SGEMM_PANEL;
    q.alpha = 1;
    q.y = y;
    q.y_step = n;
    dsc_sgemm_pack(packed_f32, fb, k, n, n, 1);
    for (int i = 0; i < 20; i++) {
        double start = now(), t;

        kernels->sgemm_packed(&q);
        t = now() - start;
        best = t < best ? t : best;
    }
    return 2e-9 * M * (double)n * (double)k / best;
}

int main(void)
{
    static const int64_t shapes[][2] = {{384, 384}, {1536, 384}, {384, 1536},
                                        {768, 768}, {3072, 768}, {768, 3072}};

    for (size_t i = 0; i < sizeof a; i++)
        a[i] = (uint8_t)rand();
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (int8_t)rand();
    for (int j = 0; j < SIDE_MAX; j++)
        scale[j] = bias[j] = (float)j * 1e-3f;
    printf("%-20s %10s %10s %10s %10s %10s %10s  (1e9 operations/s, 1 thread)\n", "shape", "ref",
           "avx2", "best", "f32 BLAS", "f32 avx2", "f32 best");
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        int64_t n = shapes[s][0], k = shapes[s][1];
        double best = gops_int8(dsc_kernels_for(DSC_CPU_VNNI), n, k);
        char name[64];

        snprintf(name, sizeof name, "M%d N%d K%d", M, (int)n, (int)k);
        printf("%-20s %10.2f %10.1f %10.1f %10.1f %10.1f %10.1f\n", name,
               gops_int8(dsc_kernels_for(DSC_CPU_REF), n, k),
               gops_int8(dsc_kernels_for(DSC_CPU_AVX2), n, k), best, gflops_f32(n, k),
               gflops_packed(dsc_kernels_for(DSC_CPU_AVX2), n, k),
               gflops_packed(dsc_kernels_for(DSC_CPU_VNNI), n, k));
    }
    return 0;
}
