/*
 * Speed of the cpu's primitives at the shapes of a MiniLM-L6 training step: batch 32, length 64,
 * 384 features, 12 heads; one thread, processor time.
 */
#include "device/prim.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 2048, D = 384, FFN = 1536, HEADS = 12, BATCH = 32, LEN = 64, N_CALLS = 12 };

static struct dsc_device *dev;
static struct dsc_tensor x, y, dx, wide_x, wide_y, wide_dx, w, dw, row, drow, scores, dscores,
    probs;
static struct dsc_tensor m, v, column;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make(struct dsc_tensor *t, int64_t rows, int64_t cols)
{
    const int64_t dim[2] = {rows, cols};

    if (dsc_device_tensor(dev, t, DSC_F32, 2, dim, NULL) != DSC_OK)
        exit(1);
    for (int64_t i = 0; i < rows * cols; i++)
        ((float *)t->data)[i] = (float)(i * 7919 % 10007) / 5003 - 1;
}

#define TIME(name, n_bytes, call)                                                                 \
    do {                                                                                          \
        double best = 1e9;                                                                        \
        for (int i_ = 0; i_ < N_CALLS; i_++) {                                                    \
            double start = now();                                                                 \
            if ((call) != DSC_OK)                                                                 \
                exit(1);                                                                          \
            best = now() - start < best ? now() - start : best;                                   \
        }                                                                                         \
        printf("%-36s %9.3f ms %8.1f GB/s\n", name, best * 1e3, (double)(n_bytes) / best * 1e-9); \
    } while (0)

#define TIME_FLOPS(name, n_flops, call)                            \
    do {                                                           \
        double best = 1e9;                                         \
        for (int i_ = 0; i_ < N_CALLS; i_++) {                     \
            double start = now();                                  \
            if ((call) != DSC_OK)                                  \
                exit(1);                                           \
            best = now() - start < best ? now() - start : best;    \
        }                                                          \
        printf("%-36s %9.3f ms %8.1f GFLOP/s\n", name, best * 1e3, \
               (double)(n_flops) / best * 1e-9);                   \
    } while (0)

static void bench_maps(void)
{
    const struct dsc_map_param p = {0, 0};
    const struct dsc_axis_view all = {BATCH * HEADS * LEN, LEN, 1};
    const int64_t small = ROWS * D * 4, large = ROWS * FFN * 4, s = BATCH * HEADS * LEN * LEN * 4;
    const struct dsc_norm_spec norm = {ROWS, D, 0, 1e-12};
    const struct dsc_norm_grads g = {.dx = &dx, .dgain = &drow, .dbias = &drow, .dy = &y};
    const struct dsc_rng_key key = dsc_rng_key(1);

    TIME("gelu [2048,1536]", 2 * large, dsc_map(dev, DSC_MAP_gelu, p, &wide_y, &wide_x, NULL));
    TIME("gelu_bwd", 4 * large,
         dsc_map_bwd(dev, DSC_MAP_gelu, p, &wide_dx, &wide_y, &wide_x, NULL, NULL));
    TIME("softmax [24576,64]", 2 * s, dsc_softmax(dev, false, all, &probs, &scores, NULL));
    TIME("softmax_bwd", 4 * s, dsc_softmax_bwd(dev, false, all, &dscores, &scores, &probs, NULL));
    TIME("norm [2048,384]", 2 * small, dsc_norm(dev, &norm, &y, NULL, NULL, &x, &row, &row, NULL));
    TIME("norm_bwd", 4 * small, dsc_norm_bwd(dev, &norm, &g, &x, &row, NULL));
    TIME("add", 3 * small, dsc_binary(dev, DSC_BINARY_add, &y, &x, &dx, NULL));
    TIME("add a row", 2 * small, dsc_binary(dev, DSC_BINARY_add, &y, &x, &row, NULL));
    TIME("add_bwd of the row", small,
         dsc_binary_bwd(dev, DSC_BINARY_add, 1, &drow, &y, &x, &row, NULL));
    TIME("add_bwd [2048,1536]", large,
         dsc_binary_bwd(dev, DSC_BINARY_add, 0, &wide_dx, &wide_y, &wide_x, &wide_x, NULL));
    TIME("mul_bwd", 4 * small, dsc_binary_bwd(dev, DSC_BINARY_mul, 0, &dx, &y, &x, &x, NULL));
    TIME("axpy", 3 * small, dsc_axpy(dev, 1, &dx, &x, NULL));
    TIME("dropout", 2 * small, dsc_dropout(dev, 0.1, key, LEN * D, NULL, &y, NULL, &x, NULL));
    TIME("dropout_bwd", 3 * small, dsc_dropout_bwd(dev, 0.1, key, LEN * D, NULL, &dx, &y, NULL));
    TIME("reduce mean of rows", small, dsc_reduce(dev, DSC_REDUCE_mean, 2, &column, &x, NULL));
}

static void bench_moves(void)
{
    const int64_t small = ROWS * D * 4, dim[4] = {BATCH, HEADS, LEN, D / HEADS};
    const struct dsc_walk to = {0, {LEN * D, LEN * D / HEADS, D / HEADS, 1}};
    const struct dsc_walk from = {0, {LEN * D, D / HEADS, D, 1}};
    const struct dsc_walk turned = {0, {LEN * D, LEN * D / HEADS, 1, LEN}};
    const struct dsc_adamw p = {1e-4, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1};
    double sum;

    TIME("copy: split heads", 2 * small, dsc_copy(dev, 4, dim, &y, &to, &x, &from, NULL));
    TIME("copy: transpose keys", 2 * small, dsc_copy(dev, 4, dim, &y, &turned, &x, &from, NULL));
    TIME("add_copy: merge heads", 3 * small, dsc_add_copy(dev, 4, dim, &dx, &from, &x, &to, NULL));
    TIME("adamw [1536,384]", 7 * D * FFN * 4, dsc_adamw(dev, &p, &w, &m, &v, &dw, NULL));
    TIME("sum_squares", D * FFN * 4, dsc_sum_squares(dev, &sum, &dw, NULL));
}

static void bench_products(void)
{
    const struct dsc_gemm_spec up = {false, false, ROWS, FFN, D, 1, 0, 1, NULL, NULL, NULL};
    const struct dsc_gemm_spec dgrad = {false, true, ROWS, D, FFN, 1, 1, 1, NULL, NULL, NULL};
    const struct dsc_gemm_spec wgrad = {true, false, D, FFN, ROWS, 1, 1, 1, NULL, NULL, NULL};
    const struct dsc_gemm_spec qk = {false, true,          LEN,  LEN,  D / HEADS, 1,
                                     0,     BATCH * HEADS, NULL, NULL, NULL};
    const struct dsc_gemm_spec pv = {false, false,         LEN,  D / HEADS, LEN, 1,
                                     0,     BATCH * HEADS, NULL, NULL,      NULL};
    const double large = 2.0 * ROWS * D * FFN, heads = 2.0 * BATCH * LEN * LEN * D;

    TIME_FLOPS("gemm 2048x1536x384", large, dsc_gemm(dev, &up, &wide_y, &x, &w, NULL));
    TIME_FLOPS("gemm dx", large, dsc_gemm(dev, &dgrad, &dx, &wide_y, &w, NULL));
    TIME_FLOPS("gemm dw", large, dsc_gemm(dev, &wgrad, &dw, &x, &wide_y, NULL));
    TIME_FLOPS("gemm q k^T", heads, dsc_gemm(dev, &qk, &scores, &x, &dx, NULL));
    TIME_FLOPS("gemm p v", heads, dsc_gemm(dev, &pv, &y, &probs, &x, NULL));
}

int main(void)
{
    if (dsc_device_open(&dev, "cpu", 1, NULL) != DSC_OK)
        return 1;
    make(&x, ROWS, D);
    make(&y, ROWS, D);
    make(&dx, ROWS, D);
    make(&wide_x, ROWS, FFN);
    make(&wide_y, ROWS, FFN);
    make(&wide_dx, ROWS, FFN);
    make(&w, D, FFN);
    make(&dw, D, FFN);
    make(&m, D, FFN);
    make(&v, D, FFN);
    make(&column, ROWS, 1);
    make(&row, 1, D);
    make(&drow, 1, D);
    make(&scores, BATCH * HEADS * LEN, LEN);
    make(&dscores, BATCH * HEADS * LEN, LEN);
    make(&probs, BATCH * HEADS * LEN, LEN);
    bench_maps();
    bench_moves();
    bench_products();
    return 0;
}
