/*
 * Sums over index spaces, for the .cu files. A fold says what one place adds (term), how two values
 * meet, and what becomes of the result (finish); the order of meeting is that of the launch, never
 * of the threads that come first.
 */
#ifndef DSC_CUDA_FOLD_CUH
#define DSC_CUDA_FOLD_CUH

#include "device/cuda/cuda_api.h"

#include <cuda_runtime.h>

static const int DSC_CUDA_BLOCK = 256;
static const int64_t DSC_CUDA_MAX_BLOCKS = 1 << 16;

/** Blocks for n elements, DSC_CUDA_BLOCK at once; kernels walk on by the grid. */
static inline unsigned dsc_cuda_blocks(int64_t n)
{
    const int64_t blocks = (n + DSC_CUDA_BLOCK - 1) / DSC_CUDA_BLOCK;

    return (unsigned)(blocks < DSC_CUDA_MAX_BLOCKS ? blocks : DSC_CUDA_MAX_BLOCKS);
}

static inline int64_t dsc_cuda_places(const dsc_cuda_space *s)
{
    int64_t n = 1;

    for (int i = 0; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

/** Offsets of place i on the first N walks. */
template <int N> static __device__ void dsc_cuda_offsets(const dsc_cuda_space &s, int64_t i, int64_t *o)
{
    for (int w = 0; w < N; w++)
        o[w] = 0;
    for (int k = s.rank - 1; k >= 0; k--) {
        const int64_t at = i % s.dim[k];

        i /= s.dim[k];
        for (int w = 0; w < N; w++)
            o[w] += at * s.stride[w][k];
    }
}

/** blockDim.x results at once, each by blockDim.y threads; at most 1024 threads. */
template <int N, typename F>
static __global__ void dsc_cuda_fold_kernel(int64_t n, dsc_cuda_space moving, int64_t n_still,
                                            dsc_cuda_space still, F f)
{
    __shared__ typename F::sum shared[1024];
    const int at = (int)(threadIdx.y * blockDim.x + threadIdx.x);

    for (int64_t base = (int64_t)blockIdx.x * blockDim.x; base < n;
         base += (int64_t)gridDim.x * blockDim.x) {
        const int64_t i = base + threadIdx.x;
        typename F::sum sum = f.start();
        int64_t first[N], o[N];

        if (i < n)
            dsc_cuda_offsets<N>(moving, i, first);
        for (int64_t k = threadIdx.y; i < n && k < n_still; k += blockDim.y) {
            dsc_cuda_offsets<N>(still, k, o);
            for (int w = 0; w < N; w++)
                o[w] += first[w];
            sum = f.meet(sum, f.term(o));
        }
        shared[at] = sum;
        __syncthreads();
        for (int half = (int)blockDim.y / 2; half > 0; half /= 2) {
            if (threadIdx.y < half)
                shared[at] = f.meet(shared[at], shared[at + half * (int)blockDim.x]);
            __syncthreads();
        }
        if (threadIdx.y == 0 && i < n)
            f.finish(first, shared[at]);
        __syncthreads(); /* shared is used again */
    }
}

/**
 * One result for each place of `moving`, over the places of `still`. is_side_by_side: neighbours of
 * `moving` are neighbours in memory, so a warp reads them together; else one of `still` does.
 */
template <int N, typename F>
static void dsc_cuda_fold(cudaStream_t stream, const dsc_cuda_space *moving,
                          const dsc_cuda_space *still, bool is_side_by_side, F f)
{
    const int64_t n = dsc_cuda_places(moving), n_still = dsc_cuda_places(still);
    const dim3 block = n_still == 1     ? dim3(DSC_CUDA_BLOCK, 1)
                       : is_side_by_side ? dim3(32, 32)
                                         : dim3(1, DSC_CUDA_BLOCK);
    const int64_t blocks = (n + block.x - 1) / block.x;

    dsc_cuda_fold_kernel<N, F>
        <<<(unsigned)(blocks < DSC_CUDA_MAX_BLOCKS ? blocks : DSC_CUDA_MAX_BLOCKS), block, 0, stream>>>(
            n, *moving, n_still, *still, f);
}

/** The sum of what all DSC_CUDA_BLOCK threads of a block have, in a tree. */
template <typename T> static __device__ T dsc_cuda_block_sum(T v, T *shared)
{
    shared[threadIdx.x] = v;
    __syncthreads();
    for (int half = DSC_CUDA_BLOCK / 2; half > 0; half /= 2) {
        if (threadIdx.x < half)
            shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    v = shared[0];
    __syncthreads(); /* shared is used again */
    return v;
}

#endif
