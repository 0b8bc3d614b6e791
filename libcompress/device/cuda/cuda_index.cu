/* gather, scatter and the checks of their indices, which are data. */
#include "device/cuda/cuda_fold.cuh"

static __device__ int64_t index_at(const void *idx, int idx_bytes, int64_t i)
{
    return idx_bytes == 8 ? ((const int64_t *)idx)[i] : ((const int32_t *)idx)[i];
}

static __device__ int64_t row_at(const dsc_cuda_rows &r, int64_t i)
{
    const int64_t v = index_at(r.idx, r.idx_bytes, i);

    return v < 0 ? v + r.n : v;
}

static __global__ void check_kernel(int idx_bytes, int64_t n_idx, const void *idx, int64_t n,
                                    long long *bad)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n_idx; i += step) {
        const int64_t v = index_at(idx, idx_bytes, i);

        if (v < -n || v >= n)
            atomicMin(bad, (long long)i);
    }
}

static __global__ void none_kernel(long long *bad)
{
    *bad = INT64_MAX;
}

int dsc_cuda_check_indices(void *stream, int idx_bytes, int64_t n_idx, const void *idx, int64_t n,
                           int64_t *bad)
{
    const cudaStream_t s = (cudaStream_t)stream;

    none_kernel<<<1, 1, 0, s>>>((long long *)bad);
    check_kernel<<<dsc_cuda_blocks(n_idx), DSC_CUDA_BLOCK, 0, s>>>(idx_bytes, n_idx, idx, n,
                                                                   (long long *)bad);
    return cudaGetLastError();
}

template <typename T> static __global__ void gather_kernel(dsc_cuda_rows r, T *y, const T *x)
{
    const int64_t n = r.outer * r.n_idx * r.inner, step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step) {
        const int64_t row = i / r.inner, outer = row / r.n_idx;

        y[i] = x[(outer * r.n + row_at(r, row % r.n_idx)) * r.inner + i % r.inner];
    }
}

template <typename T>
static void gather(cudaStream_t s, const dsc_cuda_rows *r, void *y, const void *x)
{
    gather_kernel<T><<<dsc_cuda_blocks(r->outer * r->n_idx * r->inner), DSC_CUDA_BLOCK, 0, s>>>(
        *r, (T *)y, (const T *)x);
}

int dsc_cuda_gather(void *stream, const dsc_cuda_rows *r, void *y, const void *x)
{
    (r->elem_bytes == 1   ? gather<uint8_t>
     : r->elem_bytes == 2 ? gather<uint16_t>
     : r->elem_bytes == 4 ? gather<uint32_t>
                          : gather<uint64_t>)((cudaStream_t)stream, r, y, x);
    return cudaGetLastError();
}

/*
 * Rows may be named more than once and must meet in order: one block has an index, and does the
 * work of all that name the same row if none before it does (of sets: none after it). That is
 * quadratic in n_idx, which a lookup's gradient is small enough for.
 */
template <bool IS_LAST> static __device__ bool is_alone(const dsc_cuda_rows &r, int64_t i, int64_t row)
{
    const int64_t first = IS_LAST ? i + 1 : 0, last = IS_LAST ? r.n_idx : i;
    int is_named = 0;

    for (int64_t k = first + threadIdx.x; k < last; k += DSC_CUDA_BLOCK)
        is_named |= row_at(r, k) == row;
    return !__syncthreads_or(is_named);
}

template <typename T> static __global__ void scatter_kernel(dsc_cuda_rows r, T *yp, const T *u)
{
    for (int64_t b = blockIdx.x; b < r.outer * r.n_idx; b += gridDim.x) {
        const int64_t outer = b / r.n_idx, i = b % r.n_idx, row = row_at(r, i);
        T *y = yp + (outer * r.n + row) * r.inner;

        if (!is_alone<true>(r, i, row))
            continue;
        for (int64_t c = threadIdx.x; c < r.inner; c += DSC_CUDA_BLOCK)
            y[c] = u ? u[b * r.inner + c] : 0;
    }
}

template <typename T> static __global__ void scatter_add_kernel(dsc_cuda_rows r, T *yp, const T *u)
{
    for (int64_t b = blockIdx.x; b < r.outer * r.n_idx; b += gridDim.x) {
        const int64_t outer = b / r.n_idx, i = b % r.n_idx, row = row_at(r, i);
        T *y = yp + (outer * r.n + row) * r.inner;

        if (!is_alone<false>(r, i, row))
            continue;
        for (int64_t c = threadIdx.x; c < r.inner; c += DSC_CUDA_BLOCK) {
            T sum = y[c];

            for (int64_t k = i; k < r.n_idx; k++)
                if (row_at(r, k) == row)
                    sum += u[(outer * r.n_idx + k) * r.inner + c];
            y[c] = sum;
        }
    }
}

static unsigned index_blocks(const dsc_cuda_rows *r)
{
    const int64_t n = r->outer * r->n_idx;

    return (unsigned)(n < DSC_CUDA_MAX_BLOCKS ? n : DSC_CUDA_MAX_BLOCKS);
}

template <typename T>
static void scatter(cudaStream_t s, const dsc_cuda_rows *r, void *y, const void *u)
{
    scatter_kernel<T><<<index_blocks(r), DSC_CUDA_BLOCK, 0, s>>>(*r, (T *)y, (const T *)u);
}

int dsc_cuda_scatter(void *stream, const dsc_cuda_rows *r, void *y, const void *u)
{
    (r->elem_bytes == 1   ? scatter<uint8_t>
     : r->elem_bytes == 2 ? scatter<uint16_t>
     : r->elem_bytes == 4 ? scatter<uint32_t>
                          : scatter<uint64_t>)((cudaStream_t)stream, r, y, u);
    return cudaGetLastError();
}

template <typename T>
static void scatter_add(cudaStream_t s, const dsc_cuda_rows *r, void *y, const void *u)
{
    scatter_add_kernel<T><<<index_blocks(r), DSC_CUDA_BLOCK, 0, s>>>(*r, (T *)y, (const T *)u);
}

int dsc_cuda_scatter_add(void *stream, const dsc_cuda_rows *r, enum dsc_cuda_elem elem, void *y,
                         const void *u)
{
    static void (*const of[])(cudaStream_t, const dsc_cuda_rows *, void *, const void *) = {
        scatter_add<float>, scatter_add<double>, scatter_add<uint32_t>, scatter_add<uint64_t>};

    of[elem]((cudaStream_t)stream, r, y, u);
    return cudaGetLastError();
}

static __global__ void index_elements_kernel(dsc_cuda_space s, int idx_bytes, int64_t n_places,
                                             int64_t n, int64_t axis_step, int64_t *flat,
                                             const void *idx)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;
    int64_t o[1];

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n_places; i += step) {
        const int64_t v = index_at(idx, idx_bytes, i);

        dsc_cuda_offsets<1>(s, i, o);
        flat[i] = o[0] + (v < 0 ? v + n : v) * axis_step;
    }
}

int dsc_cuda_index_elements(void *stream, const dsc_cuda_space *s, int idx_bytes, int64_t n,
                            int64_t step, int64_t *flat, const void *idx)
{
    const int64_t n_places = dsc_cuda_places(s);

    index_elements_kernel<<<dsc_cuda_blocks(n_places), DSC_CUDA_BLOCK, 0, (cudaStream_t)stream>>>(
        *s, idx_bytes, n_places, n, step, flat, idx);
    return cudaGetLastError();
}
