/* Moving elements: fill, copy, add_copy, axpy. */
#include "device/cuda/cuda_fold.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

template <typename T> static __global__ void fill_kernel(int64_t n, T *y, T value)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step)
        y[i] = value;
}

/* Elements T, computed as S. */
template <typename T, typename S>
static __global__ void axpy_kernel(int64_t n, S alpha, T *y, const T *x)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step)
        y[i] = (T)((S)y[i] + alpha * (S)x[i]);
}

template <typename T>
static __global__ void copy_kernel(int64_t n, dsc_cuda_space s, T *y, const T *x)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;
    int64_t o[2];

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step) {
        dsc_cuda_offsets<2>(s, i, o);
        y[o[0]] = x[o[1]];
    }
}

template <typename T> struct copy_fold {
    typedef T sum;
    T *y;
    const T *x;

    __device__ T start() const { return 0; }
    __device__ T meet(T a, T b) const { return a + b; }
    __device__ T term(const int64_t *o) const { return x[o[1]]; }
    __device__ void finish(const int64_t *o, T v) const { y[o[0]] += v; }
};

template <typename T> static void fill(cudaStream_t s, int64_t n, void *y, uint64_t value)
{
    fill_kernel<T><<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, s>>>(n, (T *)y, (T)value);
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
    axpy_kernel<T, S><<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, s>>>(n, (S)alpha, (T *)y, (const T *)x);
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
static void copy(cudaStream_t stream, const dsc_cuda_space *s, void *y, const void *x)
{
    const int64_t n = dsc_cuda_places(s);

    copy_kernel<<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, stream>>>(n, *s, (T *)y, (const T *)x);
}

int dsc_cuda_copy(void *stream, int elem_bytes, const dsc_cuda_space *space, void *y, const void *x)
{
    const cudaStream_t s = (cudaStream_t)stream;

    switch (elem_bytes) {
    case 1:
        copy<uint8_t>(s, space, y, x);
        break;
    case 2:
        copy<uint16_t>(s, space, y, x);
        break;
    case 4:
        copy<uint32_t>(s, space, y, x);
        break;
    default:
        copy<uint64_t>(s, space, y, x);
        break;
    }
    return cudaGetLastError();
}

int dsc_cuda_add_copy(void *stream, bool is_double, const dsc_cuda_space *moving,
                      const dsc_cuda_space *still, bool is_side_by_side, void *y, const void *x)
{
    const cudaStream_t s = (cudaStream_t)stream;

    if (is_double)
        dsc_cuda_fold<2>(s, moving, still, is_side_by_side,
                         copy_fold<double>{(double *)y, (const double *)x});
    else
        dsc_cuda_fold<2>(s, moving, still, is_side_by_side,
                         copy_fold<float>{(float *)y, (const float *)x});
    return cudaGetLastError();
}
