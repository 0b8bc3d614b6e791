/* What training adds: norm and its gradient, dropout, optimizers. */
#include "device/cuda/cuda_fold.cuh"

/* norm: one block a row; statistics in double. */

template <typename T>
static __device__ void stats_of(const T *x, int64_t n, double epsilon, double *shared,
                                double *mean, double *inv)
{
    double sum = 0, square = 0;

    for (int64_t i = threadIdx.x; i < n; i += DSC_CUDA_BLOCK)
        sum += x[i];
    *mean = dsc_cuda_block_sum(sum, shared) / (double)n;
    for (int64_t i = threadIdx.x; i < n; i += DSC_CUDA_BLOCK)
        square += (x[i] - *mean) * (x[i] - *mean);
    *inv = 1 / sqrt(dsc_cuda_block_sum(square, shared) / (double)n + epsilon);
}

static __device__ int64_t gain_at(const dsc_cuda_norm_args &g, int64_t row, int64_t i)
{
    return g.n_channels ? row % g.n_channels : i;
}

template <typename T> static __global__ void norm_kernel(dsc_cuda_norm_args g)
{
    __shared__ double shared[DSC_CUDA_BLOCK];
    const T *gain = (const T *)g.gain, *bias = (const T *)g.bias;

    for (int64_t r = blockIdx.x; r < g.n_rows; r += gridDim.x) {
        const T *x = (const T *)g.x + r * g.n;
        T *y = (T *)g.y + r * g.n;
        double mean, inv;

        stats_of(x, g.n, g.epsilon, shared, &mean, &inv);
        for (int64_t i = threadIdx.x; i < g.n; i += DSC_CUDA_BLOCK) {
            const int64_t k = gain_at(g, r, i);

            y[i] = (T)((x[i] - mean) * inv * gain[k] + (bias ? (double)bias[k] : 0));
        }
        if (threadIdx.x == 0 && g.mean)
            ((T *)g.mean)[r] = (T)mean;
        if (threadIdx.x == 0 && g.inv)
            ((T *)g.inv)[r] = (T)inv;
    }
}

template <typename T> static __global__ void norm_bwd_kernel(dsc_cuda_norm_args g)
{
    __shared__ double shared[DSC_CUDA_BLOCK];
    const T *gain = (const T *)g.gain;

    for (int64_t r = blockIdx.x; r < g.n_rows; r += gridDim.x) {
        const T *x = (const T *)g.x + r * g.n;
        const T *dy = g.dy ? (const T *)g.dy + r * g.n : nullptr;
        const double dmean = g.dmean ? (double)((const T *)g.dmean)[r] : 0;
        const double dinv = g.dinv ? (double)((const T *)g.dinv)[r] : 0;
        double mean, inv, sum = 0, dot = 0;

        stats_of(x, g.n, g.epsilon, shared, &mean, &inv);
        if (threadIdx.x == 0) {
            g.row_mean[r] = mean;
            g.row_inv[r] = inv;
        }
        if (!g.dx)
            continue;
        for (int64_t i = threadIdx.x; dy && i < g.n; i += DSC_CUDA_BLOCK) {
            const double v = (double)dy[i] * gain[gain_at(g, r, i)];

            sum += v;
            dot += v * (x[i] - mean) * inv;
        }
        sum = dsc_cuda_block_sum(sum, shared);
        dot = dsc_cuda_block_sum(dot, shared);
        for (int64_t i = threadIdx.x; i < g.n; i += DSC_CUDA_BLOCK) {
            const double hat = (x[i] - mean) * inv;
            const double v = dy ? (double)dy[i] * gain[gain_at(g, r, i)] : 0;

            ((T *)g.dx)[r * g.n + i] += (T)(inv * (v - (sum + hat * dot) / (double)g.n) +
                                            (dmean - dinv * inv * inv * hat) / (double)g.n);
        }
    }
}

struct two_sums {
    double gain, bias;
};

/* Walks: 0 the gain, 1 the element, 2 its row. */
template <typename T> struct gain_fold {
    typedef two_sums sum;
    dsc_cuda_norm_args g;

    __device__ two_sums start() const { return {0, 0}; }
    __device__ two_sums meet(two_sums a, two_sums b) const
    {
        return {a.gain + b.gain, a.bias + b.bias};
    }
    __device__ two_sums term(const int64_t *o) const
    {
        const double dy = ((const T *)g.dy)[o[1]], x = ((const T *)g.x)[o[1]];

        return {dy * (x - g.row_mean[o[2]]) * g.row_inv[o[2]], dy};
    }
    __device__ void finish(const int64_t *o, two_sums v) const
    {
        if (g.dgain)
            ((T *)g.dgain)[o[0]] += (T)v.gain;
        if (g.dbias)
            ((T *)g.dbias)[o[0]] += (T)v.bias;
    }
};

static unsigned row_blocks(int64_t n_rows)
{
    return (unsigned)(n_rows < DSC_CUDA_MAX_BLOCKS ? n_rows : DSC_CUDA_MAX_BLOCKS);
}

int dsc_cuda_norm(void *stream, const dsc_cuda_norm_args *g)
{
    const cudaStream_t s = (cudaStream_t)stream;

    if (g->is_double)
        norm_kernel<double><<<row_blocks(g->n_rows), DSC_CUDA_BLOCK, 0, s>>>(*g);
    else
        norm_kernel<float><<<row_blocks(g->n_rows), DSC_CUDA_BLOCK, 0, s>>>(*g);
    return cudaGetLastError();
}

template <typename T> static void norm_bwd(cudaStream_t s, const dsc_cuda_norm_args *g)
{
    const int64_t n_channels = g->n_channels;
    /* channels: rows channel, channel + n_channels, .., all elements of each */
    const dsc_cuda_space by_channel = {1, {n_channels}, {{1}, {g->n}, {1}, {0}}};
    const dsc_cuda_space of_channel = {2,
                                       {n_channels ? g->n_rows / n_channels : 0, g->n},
                                       {{0, 0}, {n_channels * g->n, 1}, {n_channels, 0}, {0, 0}}};
    const dsc_cuda_space by_element = {1, {g->n}, {{1}, {1}, {0}, {0}}};
    const dsc_cuda_space of_element = {1, {g->n_rows}, {{0}, {g->n}, {1}, {0}}};
    const gain_fold<T> f = {*g};

    norm_bwd_kernel<T><<<row_blocks(g->n_rows), DSC_CUDA_BLOCK, 0, s>>>(*g);
    if (!g->dy || !(g->dgain || g->dbias))
        return;
    if (n_channels)
        dsc_cuda_fold<3>(s, &by_channel, &of_channel, false, f);
    else
        dsc_cuda_fold<3>(s, &by_element, &of_element, true, f);
}

int dsc_cuda_norm_bwd(void *stream, const dsc_cuda_norm_args *g)
{
    (g->is_double ? norm_bwd<double> : norm_bwd<float>)((cudaStream_t)stream, g);
    return cudaGetLastError();
}

/* dropout: Philox4x32-10 of (key, block of the element, id of the example), as core/rng.c. */

static __device__ uint32_t number_of(const dsc_cuda_dropout_args &g, uint64_t element, uint64_t id)
{
    const uint64_t block = element / 4;
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
    uint32_t c2 = (uint32_t)id, c3 = (uint32_t)(id >> 32);
    uint32_t k0 = g.key[0], k1 = g.key[1];

    for (int round = 0; round < 10; round++) {
        const uint32_t hi0 = __umulhi(0xD2511F53u, c0), lo0 = 0xD2511F53u * c0;
        const uint32_t hi1 = __umulhi(0xCD9E8D57u, c2), lo1 = 0xCD9E8D57u * c2;

        c0 = hi1 ^ c1 ^ k0;
        c1 = lo1;
        c2 = hi0 ^ c3 ^ k1;
        c3 = lo0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    switch (element % 4) {
    case 0:
        return c0;
    case 1:
        return c1;
    case 2:
        return c2;
    default:
        return c3;
    }
}

template <typename T> static __global__ void dropout_kernel(dsc_cuda_dropout_args g)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;
    const T *x = (const T *)g.x, scale = (T)g.scale;
    T *y = (T *)g.y;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < g.n; i += step) {
        const int64_t example = i / g.n_per_example;
        const int64_t id = g.ids ? g.ids[example] : example;
        const bool is_kept =
            number_of(g, (uint64_t)(i % g.n_per_example), (uint64_t)id) >= g.threshold;
        const T v = is_kept ? x[i] * scale : 0;

        y[i] = g.is_adding ? y[i] + v : v;
        if (g.mask)
            g.mask[i] = is_kept;
    }
}

int dsc_cuda_dropout(void *stream, const struct dsc_cuda_dropout_args *g)
{
    const cudaStream_t s = (cudaStream_t)stream;

    if (g->is_double)
        dropout_kernel<double><<<dsc_cuda_blocks(g->n), DSC_CUDA_BLOCK, 0, s>>>(*g);
    else
        dropout_kernel<float><<<dsc_cuda_blocks(g->n), DSC_CUDA_BLOCK, 0, s>>>(*g);
    return cudaGetLastError();
}

/* Optimizers. */

static __global__ void adamw_kernel(int64_t n, float lr, float beta1, float beta2, float eps,
                                    float decay, float c1, float c2, float grad_scale, float *w,
                                    float *m, float *v, const float *gp)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step) {
        const float g = gp[i] * grad_scale;

        m[i] = beta1 * m[i] + (1 - beta1) * g;
        v[i] = beta2 * v[i] + (1 - beta2) * g * g;
        w[i] -= lr * (m[i] / c1 / (sqrtf(v[i] / c2) + eps) + decay * w[i]);
    }
}

int dsc_cuda_adamw(void *stream, int64_t n, float lr, float beta1, float beta2, float eps,
                   float decay, float c1, float c2, float grad_scale, float *w, float *m, float *v,
                   const float *g)
{
    adamw_kernel<<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, (cudaStream_t)stream>>>(
        n, lr, beta1, beta2, eps, decay, c1, c2, grad_scale, w, m, v, g);
    return cudaGetLastError();
}

static __global__ void sgd_kernel(int64_t n, float lr, float momentum, float decay,
                                  float grad_scale, float *w, float *m, const float *g)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step) {
        m[i] = momentum * m[i] + (g[i] * grad_scale + decay * w[i]);
        w[i] -= lr * m[i];
    }
}

int dsc_cuda_sgd(void *stream, int64_t n, float lr, float momentum, float decay, float grad_scale,
                 float *w, float *m, const float *g)
{
    sgd_kernel<<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, (cudaStream_t)stream>>>(
        n, lr, momentum, decay, grad_scale, w, m, g);
    return cudaGetLastError();
}

/* One block a part: the order of sums does not depend on the machine. */
static __global__ void sum_squares_kernel(int64_t n, const float *x, double *parts)
{
    __shared__ double shared[DSC_CUDA_BLOCK];
    const int64_t step = (int64_t)DSC_CUDA_PARTS * DSC_CUDA_BLOCK;
    double sum = 0;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step)
        sum += (double)x[i] * (double)x[i];
    sum = dsc_cuda_block_sum(sum, shared);
    if (threadIdx.x == 0)
        parts[blockIdx.x] = sum;
}

int dsc_cuda_sum_squares(void *stream, int64_t n, const float *x, double *parts)
{
    sum_squares_kernel<<<DSC_CUDA_PARTS, DSC_CUDA_BLOCK, 0, (cudaStream_t)stream>>>(n, x, parts);
    return cudaGetLastError();
}
