/* reduce and its gradient (sums in double, as on the cpu), cumsum, cast. */
#include "device/cuda/cuda_fold.cuh"

enum reduce_fn {
#define DSC_REDUCE(name) REDUCE_##name,
#include "device/reductions.def"
#undef DSC_REDUCE
};

template <typename T> struct reduce_fold {
    typedef double sum;
    int fn;
    double n;
    T *y;
    const T *x;

    __device__ double start() const
    {
        return fn == REDUCE_max ? -INFINITY : fn == REDUCE_min ? INFINITY : fn == REDUCE_prod;
    }
    __device__ double meet(double a, double b) const
    {
        switch (fn) {
        case REDUCE_max:
            return b > a || b != b ? b : a;
        case REDUCE_min:
            return b < a || b != b ? b : a;
        case REDUCE_prod:
            return a * b;
        default:
            return a + b;
        }
    }
    __device__ double term(const int64_t *o) const
    {
        const double v = x[o[1]];

        switch (fn) {
        case REDUCE_l1:
            return fabs(v);
        case REDUCE_l2:
        case REDUCE_sum_square:
            return v * v;
        case REDUCE_log_sum_exp:
            return exp(v - (double)y[o[0]]);
        default:
            return v;
        }
    }
    __device__ void finish(const int64_t *o, double v) const
    {
        T *to = &y[o[0]];

        switch (fn) {
        case REDUCE_mean:
            *to = (T)(v / n);
            break;
        case REDUCE_l2:
            *to = (T)sqrt(v);
            break;
        case REDUCE_log_sum:
            *to = (T)log(v);
            break;
        case REDUCE_log_sum_exp:
            if (!isinf(*to))
                *to = (T)((double)*to + log(v));
            break;
        default:
            *to = (T)v;
            break;
        }
    }
};

template <typename T>
static void reduce(cudaStream_t stream, int fn, const dsc_cuda_space *kept,
                   const dsc_cuda_space *gone, bool is_side_by_side, void *y, const void *x)
{
    reduce_fold<T> f = {fn, (double)dsc_cuda_places(gone), (T *)y, (const T *)x};

    if (fn == REDUCE_log_sum_exp) { /* the maximum first */
        f.fn = REDUCE_max;
        dsc_cuda_fold<2>(stream, kept, gone, is_side_by_side, f);
        f.fn = fn;
    }
    dsc_cuda_fold<2>(stream, kept, gone, is_side_by_side, f);
}

int dsc_cuda_reduce(void *stream, int fn, bool is_double, const dsc_cuda_space *kept,
                    const dsc_cuda_space *gone, bool is_side_by_side, void *y, const void *x)
{
    (is_double ? reduce<double> : reduce<float>)((cudaStream_t)stream, fn, kept, gone,
                                                 is_side_by_side, y, x);
    return cudaGetLastError();
}

/* Elements of x equal to y, or the product of all but element `but`. */
template <typename T>
static __device__ double ties_of(const dsc_cuda_space &gone, int64_t n_gone, const T *x, T y)
{
    double n = 0;
    int64_t o[1];

    for (int64_t k = 0; k < n_gone; k++) {
        dsc_cuda_offsets<1>(gone, k, o);
        n += x[o[0]] == y;
    }
    return n;
}

template <typename T>
static __device__ double product_but(const dsc_cuda_space &gone, int64_t n_gone, const T *x,
                                     int64_t but)
{
    double p = 1;
    int64_t o[1];

    for (int64_t k = 0; k < n_gone; k++) {
        dsc_cuda_offsets<1>(gone, k, o);
        if (k != but)
            p *= x[o[0]];
    }
    return p;
}

/* One thread an element of dx. */
template <typename T>
static __global__ void reduce_bwd_kernel(int fn, int64_t n, int64_t n_gone, dsc_cuda_space kept,
                                         dsc_cuda_space gone, T *dx, const T *dy, const T *xp,
                                         const T *yp)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;
    int64_t o[2], at[1];

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step) {
        const int64_t k = i % n_gone;

        dsc_cuda_offsets<2>(kept, i / n_gone, o);
        dsc_cuda_offsets<1>(gone, k, at);

        const double x = xp ? (double)xp[o[0] + at[0]] : 0, y = yp ? (double)yp[o[1]] : 0;
        double slope;

        switch (fn) {
        case REDUCE_sum:
            slope = 1;
            break;
        case REDUCE_mean:
            slope = 1 / (double)n_gone;
            break;
        case REDUCE_max:
        case REDUCE_min:
            slope = x == y ? 1 / ties_of(gone, n_gone, xp + o[0], (T)y) : 0;
            break;
        case REDUCE_prod:
            slope = x != 0 ? y / x : product_but(gone, n_gone, xp + o[0], k);
            break;
        case REDUCE_l1:
            slope = (x > 0) - (x < 0);
            break;
        case REDUCE_l2:
            slope = y != 0 ? x / y : 0;
            break;
        case REDUCE_log_sum:
            slope = exp(-y);
            break;
        case REDUCE_log_sum_exp:
            slope = exp(x - y);
            break;
        default: /* sum_square */
            slope = 2 * x;
            break;
        }
        dx[o[0] + at[0]] += (T)((double)dy[o[1]] * slope);
    }
}

template <typename T>
static void reduce_bwd(cudaStream_t stream, int fn, const dsc_cuda_space *kept,
                       const dsc_cuda_space *gone, void *dx, const void *dy, const void *x,
                       const void *y)
{
    const int64_t n_gone = dsc_cuda_places(gone), n = dsc_cuda_places(kept) * n_gone;

    reduce_bwd_kernel<T><<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, stream>>>(
        fn, n, n_gone, *kept, *gone, (T *)dx, (const T *)dy, (const T *)x, (const T *)y);
}

int dsc_cuda_reduce_bwd(void *stream, int fn, bool is_double, const dsc_cuda_space *kept,
                        const dsc_cuda_space *gone, void *dx, const void *dy, const void *x,
                        const void *y)
{
    (is_double ? reduce_bwd<double> : reduce_bwd<float>)((cudaStream_t)stream, fn, kept, gone, dx,
                                                         dy, x, y);
    return cudaGetLastError();
}

/* One thread a slice; sums in S. */
template <typename T, typename S>
static __global__ void cumsum_kernel(bool is_exclusive, bool is_reverse, int64_t n_slices,
                                     int64_t n, int64_t inner, T *y, const T *x)
{
    const int64_t all = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t s = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; s < n_slices; s += all) {
        const int64_t base = s / inner * n * inner + s % inner;
        const int64_t step = is_reverse ? -inner : inner;
        int64_t at = base + (is_reverse ? (n - 1) * inner : 0);
        S sum = 0;

        for (int64_t i = 0; i < n; i++, at += step) {
            const S next = sum + (S)x[at];

            y[at] = (T)(is_exclusive ? sum : next);
            sum = next;
        }
    }
}

template <typename T, typename S>
static void cumsum(cudaStream_t stream, bool is_exclusive, bool is_reverse, int64_t outer,
                   int64_t n, int64_t inner, void *y, const void *x)
{
    cumsum_kernel<T, S><<<dsc_cuda_blocks(outer * inner), DSC_CUDA_BLOCK, 0, stream>>>(
        is_exclusive, is_reverse, outer * inner, n, inner, (T *)y, (const T *)x);
}

int dsc_cuda_cumsum(void *stream, bool is_exclusive, bool is_reverse, enum dsc_cuda_elem elem,
                    int64_t outer, int64_t n, int64_t inner, void *y, const void *x)
{
    static void (*const of[])(cudaStream_t, bool, bool, int64_t, int64_t, int64_t, void *,
                              const void *) = {
        cumsum<float, double>, cumsum<double, double>, cumsum<uint32_t, uint64_t>,
        cumsum<uint64_t, uint64_t>};

    of[elem]((cudaStream_t)stream, is_exclusive, is_reverse, outer, n, inner, y, x);
    return cudaGetLastError();
}

/* Floats truncate toward zero and saturate at 64 bits, then integers wrap: as the cpu casts. */
template <typename Y> static __device__ Y from_number(double v)
{
    return (Y)(v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : v == v ? (int64_t)v : 0);
}

template <typename Y, typename X> struct caster {
    static __device__ Y of(X x) { return (Y)x; }
};
template <typename X> struct caster<bool, X> {
    static __device__ bool of(X x) { return x != 0; }
};
template <> struct caster<int32_t, float> {
    static __device__ int32_t of(float x) { return from_number<int32_t>(x); }
};
template <> struct caster<int32_t, double> {
    static __device__ int32_t of(double x) { return from_number<int32_t>(x); }
};
template <> struct caster<int64_t, float> {
    static __device__ int64_t of(float x) { return from_number<int64_t>(x); }
};
template <> struct caster<int64_t, double> {
    static __device__ int64_t of(double x) { return from_number<int64_t>(x); }
};

template <typename Y, typename X>
static __global__ void cast_kernel(int64_t n, Y *y, const X *x)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step)
        y[i] = caster<Y, X>::of(x[i]);
}

template <typename Y, typename X>
static void cast(cudaStream_t stream, int64_t n, void *y, const void *x)
{
    cast_kernel<Y, X><<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, stream>>>(n, (Y *)y, (const X *)x);
}

int dsc_cuda_cast(void *stream, enum dsc_cuda_elem to, enum dsc_cuda_elem from, int64_t n, void *y,
                  const void *x)
{
#define CAST_TO(Y) {cast<Y, float>, cast<Y, double>, cast<Y, int32_t>, cast<Y, int64_t>, cast<Y, bool>}
    static void (*const of[][5])(cudaStream_t, int64_t, void *, const void *) = {
        CAST_TO(float), CAST_TO(double), CAST_TO(int32_t), CAST_TO(int64_t), CAST_TO(bool)};
#undef CAST_TO

    of[to][from]((cudaStream_t)stream, n, y, x);
    return cudaGetLastError();
}
