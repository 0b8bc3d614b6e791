/*
 * softmax, its logarithm and their gradients along the middle of [outer, n, inner]: one block a
 * row. Threads sum every BLOCK-th element and meet in a tree, so that sums have one order.
 */
#include "device/cuda/cuda_api.h"

#include <cuda_runtime.h>

enum { BLOCK = 256 };

template <typename T, bool IS_MAX> static __device__ T meet(T v, T *shared)
{
    shared[threadIdx.x] = v;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            const T a = shared[threadIdx.x], b = shared[threadIdx.x + half];

            shared[threadIdx.x] = IS_MAX ? (b > a ? b : a) : a + b;
        }
        __syncthreads();
    }
    v = shared[0];
    __syncthreads(); /* shared is used again */
    return v;
}

/* Two passes over x: for the maximum and the sum, then the result. */
template <typename T, bool IS_LOG>
static __global__ void softmax_kernel(int64_t n_rows, int64_t n, int64_t inner, T *yp, const T *xp)
{
    __shared__ T shared[BLOCK];

    for (int64_t r = blockIdx.x; r < n_rows; r += gridDim.x) {
        const int64_t at = r / inner * n * inner + r % inner;
        const T *x = xp + at;
        T *y = yp + at;
        T top = x[0], sum = 0;

        for (int64_t i = threadIdx.x; i < n; i += BLOCK)
            top = x[i * inner] > top ? x[i * inner] : top;
        top = meet<T, true>(top, shared);
        for (int64_t i = threadIdx.x; i < n; i += BLOCK)
            sum += exp(x[i * inner] - top);
        sum = meet<T, false>(sum, shared);
        const T shift = top + log(sum);

        for (int64_t i = threadIdx.x; i < n; i += BLOCK)
            y[i * inner] = IS_LOG ? x[i * inner] - shift : exp(x[i * inner] - top) / sum;
    }
}

template <typename T, bool IS_LOG>
static __global__ void softmax_bwd_kernel(int64_t n_rows, int64_t n, int64_t inner, T *dxp,
                                          const T *dyp, const T *yp)
{
    __shared__ T shared[BLOCK];

    for (int64_t r = blockIdx.x; r < n_rows; r += gridDim.x) {
        const int64_t at = r / inner * n * inner + r % inner;
        const T *dy = dyp + at, *y = yp + at;
        T *dx = dxp + at;
        T sum = 0;

        for (int64_t i = threadIdx.x; i < n; i += BLOCK)
            sum += IS_LOG ? dy[i * inner] : dy[i * inner] * y[i * inner];
        sum = meet<T, false>(sum, shared);
        for (int64_t i = threadIdx.x; i < n; i += BLOCK)
            dx[i * inner] += IS_LOG ? dy[i * inner] - exp(y[i * inner]) * sum
                                    : y[i * inner] * (dy[i * inner] - sum);
    }
}

static unsigned n_blocks(int64_t n_rows)
{
    return (unsigned)(n_rows < 1 << 20 ? n_rows : 1 << 20);
}

template <typename T, bool IS_LOG>
static void forward(cudaStream_t s, int64_t n_rows, int64_t n, int64_t inner, void *y,
                    const void *x)
{
    softmax_kernel<T, IS_LOG>
        <<<n_blocks(n_rows), BLOCK, 0, s>>>(n_rows, n, inner, (T *)y, (const T *)x);
}

template <typename T, bool IS_LOG>
static void backward(cudaStream_t s, int64_t n_rows, int64_t n, int64_t inner, void *dx,
                     const void *dy, const void *y)
{
    softmax_bwd_kernel<T, IS_LOG>
        <<<n_blocks(n_rows), BLOCK, 0, s>>>(n_rows, n, inner, (T *)dx, (const T *)dy, (const T *)y);
}

int dsc_cuda_softmax(void *stream, bool is_log, bool is_double, int64_t outer, int64_t n,
                     int64_t inner, void *y, const void *x)
{
    static void (*const of[2][2])(cudaStream_t, int64_t, int64_t, int64_t, void *,
                                  const void *) = {{forward<float, false>, forward<float, true>},
                                                   {forward<double, false>, forward<double, true>}};

    of[is_double][is_log]((cudaStream_t)stream, outer * inner, n, inner, y, x);
    return cudaGetLastError();
}

int dsc_cuda_softmax_bwd(void *stream, bool is_log, bool is_double, int64_t outer, int64_t n,
                         int64_t inner, void *dx, const void *dy, const void *y)
{
    static void (*const of[2][2])(cudaStream_t, int64_t, int64_t, int64_t, void *, const void *,
                                  const void *) = {
        {backward<float, false>, backward<float, true>},
        {backward<double, false>, backward<double, true>}};

    of[is_double][is_log]((cudaStream_t)stream, outer * inner, n, inner, dx, dy, y);
    return cudaGetLastError();
}
