/* Moving elements: fill, copy, add_copy, axpy. */
#include "device/cuda/cuda_api.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

static const int BLOCK = 256;
static const int64_t MAX_BLOCKS = 1 << 16;

static unsigned n_blocks(int64_t n)
{
    const int64_t blocks = (n + BLOCK - 1) / BLOCK;

    return (unsigned)(blocks < MAX_BLOCKS ? blocks : MAX_BLOCKS);
}

static int64_t n_of(const dsc_cuda_nest *s)
{
    int64_t n = 1;

    for (int i = 0; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

template <typename T> static __global__ void fill_kernel(int64_t n, T *y, T value)
{
    const int64_t step = (int64_t)gridDim.x * BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step)
        y[i] = value;
}

/* Elements T, computed as S. */
template <typename T, typename S>
static __global__ void axpy_kernel(int64_t n, S alpha, T *y, const T *x)
{
    const int64_t step = (int64_t)gridDim.x * BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step)
        y[i] = (T)((S)y[i] + alpha * (S)x[i]);
}

static __device__ void offsets(const dsc_cuda_nest &s, int64_t i, int64_t *oy, int64_t *ox)
{
    *oy = *ox = 0;
    for (int k = s.rank - 1; k >= 0; k--) {
        const int64_t at = i % s.dim[k];

        i /= s.dim[k];
        *oy += at * s.sy[k];
        *ox += at * s.sx[k];
    }
}

template <typename T>
static __global__ void copy_kernel(int64_t n, dsc_cuda_nest s, T *y, const T *x)
{
    const int64_t step = (int64_t)gridDim.x * BLOCK;
    int64_t oy, ox;

    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) {
        offsets(s, i, &oy, &ox);
        y[oy] = x[ox];
    }
}

/* One thread an element of y. */
template <typename T>
static __global__ void add_copy_kernel(int64_t n, dsc_cuda_nest moving, int64_t n_still,
                                       dsc_cuda_nest still, T *y, const T *x)
{
    const int64_t step = (int64_t)gridDim.x * BLOCK;
    int64_t oy, ox, unused, os;

    for (int64_t i = (int64_t)blockIdx.x * BLOCK + threadIdx.x; i < n; i += step) {
        offsets(moving, i, &oy, &ox);
        T sum = y[oy];

        for (int64_t k = 0; k < n_still; k++) {
            offsets(still, k, &unused, &os);
            sum += x[ox + os];
        }
        y[oy] = sum;
    }
}

template <typename T> static void fill(cudaStream_t s, int64_t n, void *y, uint64_t value)
{
    fill_kernel<T><<<n_blocks(n), BLOCK, 0, s>>>(n, (T *)y, (T)value);
}

int dsc_cuda_fill(void *stream, int elem_bytes, int64_t n, void *y, uint64_t value)
{
    const cudaStream_t s = (cudaStream_t)stream;

    switch (elem_bytes) {
    case 1:
        fill<uint8_t>(s, n, y, value);
        break;
    case 2:
        fill<uint16_t>(s, n, y, value);
        break;
    case 4:
        fill<uint32_t>(s, n, y, value);
        break;
    default:
        fill<uint64_t>(s, n, y, value);
        break;
    }
    return cudaGetLastError();
}

template <typename T, typename S>
static void axpy(cudaStream_t s, int64_t n, double alpha, void *y, const void *x)
{
    axpy_kernel<T, S><<<n_blocks(n), BLOCK, 0, s>>>(n, (S)alpha, (T *)y, (const T *)x);
}

int dsc_cuda_axpy(void *stream, enum dsc_cuda_type type, int64_t n, double alpha, void *y,
                  const void *x)
{
    static void (*const of[])(cudaStream_t, int64_t, double, void *, const void *) = {
        axpy<float, float>, axpy<double, double>, axpy<__half, float>, axpy<__nv_bfloat16, float>};

    of[type]((cudaStream_t)stream, n, alpha, y, x);
    return cudaGetLastError();
}

template <typename T>
static void copy(cudaStream_t s, const dsc_cuda_nest *nest, void *y, const void *x)
{
    const int64_t n = n_of(nest);

    copy_kernel<<<n_blocks(n), BLOCK, 0, s>>>(n, *nest, (T *)y, (const T *)x);
}

int dsc_cuda_copy(void *stream, int elem_bytes, const dsc_cuda_nest *nest, void *y, const void *x)
{
    const cudaStream_t s = (cudaStream_t)stream;

    switch (elem_bytes) {
    case 1:
        copy<uint8_t>(s, nest, y, x);
        break;
    case 2:
        copy<uint16_t>(s, nest, y, x);
        break;
    case 4:
        copy<uint32_t>(s, nest, y, x);
        break;
    default:
        copy<uint64_t>(s, nest, y, x);
        break;
    }
    return cudaGetLastError();
}

int dsc_cuda_add_copy(void *stream, bool is_double, const dsc_cuda_nest *moving,
                      const dsc_cuda_nest *still, void *y, const void *x)
{
    const cudaStream_t s = (cudaStream_t)stream;
    const int64_t n = n_of(moving), n_still = n_of(still);

    if (is_double)
        add_copy_kernel<<<n_blocks(n), BLOCK, 0, s>>>(n, *moving, n_still, *still, (double *)y,
                                                      (const double *)x);
    else
        add_copy_kernel<<<n_blocks(n), BLOCK, 0, s>>>(n, *moving, n_still, *still, (float *)y,
                                                      (const float *)x);
    return cudaGetLastError();
}
