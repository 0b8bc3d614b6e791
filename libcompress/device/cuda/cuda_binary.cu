/* binary, its gradient, select: functions of broadcast tensors, from the rows of binaries.def. */
#include "device/cuda/cuda_fold.cuh"

/* Of integers: division by zero gives 0, what wraps is two's complement, as on the cpu. */
static __device__ float dsc_div(float a, float b) { return a / b; }
static __device__ double dsc_div(double a, double b) { return a / b; }
static __device__ float dsc_pow(float a, float b) { return powf(a, b); }
static __device__ double dsc_pow(double a, double b) { return pow(a, b); }
static __device__ float dsc_mod(float a, float b) { return a - b * floorf(a / b); }
static __device__ double dsc_mod(double a, double b) { return a - b * floor(a / b); }
static __device__ float dsc_fmod(float a, float b) { return fmodf(a, b); }
static __device__ double dsc_fmod(double a, double b) { return fmod(a, b); }

template <typename T> static __device__ T dsc_div(T a, T b)
{
    return b == 0 ? 0 : b == (T)-1 ? (T)(0 - (uint64_t)a) : a / b;
}

template <typename T> static __device__ T dsc_fmod(T a, T b)
{
    return b == 0 || b == (T)-1 ? 0 : a % b;
}

template <typename T> static __device__ T dsc_mod(T a, T b)
{
    const T rest = dsc_fmod(a, b);

    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

template <typename T> static __device__ T dsc_pow(T a, T b)
{
    const double v = pow((double)a, (double)b);

    return (T)(v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : v == v ? (int64_t)v : 0);
}

#define dsc_lt0(v) ((v) < 0)

#define DSC_BINARY(name, kind, y, da, db)                      \
    struct fn_##name {                                         \
        template <typename T> static __device__ auto value(T a, T b) \
        {                                                      \
            return (y);                                        \
        }                                                      \
        template <typename T> static __device__ T slope_a(T a, T b) \
        {                                                      \
            (void)a;                                           \
            (void)b;                                           \
            return (T)(da);                                    \
        }                                                      \
        template <typename T> static __device__ T slope_b(T a, T b) \
        {                                                      \
            (void)a;                                           \
            (void)b;                                           \
            return (T)(db);                                    \
        }                                                      \
    };
#include "device/binaries.def"
#undef DSC_BINARY

/* Walks: 0 y, 1 a, 2 b. */
template <typename F, typename T, typename Y>
static __global__ void binary_kernel(int64_t n, dsc_cuda_space s, Y *y, const T *a, const T *b)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;
    int64_t o[3];

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step) {
        dsc_cuda_offsets<3>(s, i, o);
        y[o[0]] = (Y)F::template value<T>(a[o[1]], b[o[2]]);
    }
}

template <typename F, typename T, typename Y>
static void launch(cudaStream_t stream, const dsc_cuda_space *s, void *y, const void *a,
                   const void *b)
{
    const int64_t n = dsc_cuda_places(s);

    binary_kernel<F, T, Y><<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, stream>>>(
        n, *s, (Y *)y, (const T *)a, (const T *)b);
}

/* Walks: 0 dx, 1 dy, 2 a, 3 b. */
template <typename F, int SIDE, typename T> struct slope_fold {
    typedef T sum;
    T *dx;
    const T *dy, *a, *b;

    __device__ T start() const { return 0; }
    __device__ T meet(T x, T y) const { return x + y; }
    __device__ T term(const int64_t *o) const
    {
        const T slope = SIDE ? F::template slope_b<T>(a[o[2]], b[o[3]])
                             : F::template slope_a<T>(a[o[2]], b[o[3]]);

        return dy[o[1]] * slope;
    }
    __device__ void finish(const int64_t *o, T v) const { dx[o[0]] += v; }
};

struct slope_args {
    cudaStream_t stream;
    const dsc_cuda_space *moving, *still;
    bool is_side_by_side;
    void *dx;
    const void *dy, *a, *b;
};

template <typename F, int SIDE, typename T> static void launch_slope(const slope_args *g)
{
    const slope_fold<F, SIDE, T> f = {(T *)g->dx, (const T *)g->dy, (const T *)g->a,
                                      (const T *)g->b};

    dsc_cuda_fold<4>(g->stream, g->moving, g->still, g->is_side_by_side, f);
}

typedef void binary_fn(cudaStream_t, const dsc_cuda_space *, void *, const void *, const void *);

/* By dsc_cuda_elem; the types that masks and lengths have beside the floats. */
#define NUM_ROW(name)                                                                      \
    launch<fn_##name, float, float>, launch<fn_##name, double, double>,                    \
        launch<fn_##name, int32_t, int32_t>, launch<fn_##name, int64_t, int64_t>, nullptr
#define CMP_ROW(name)                                                            \
    launch<fn_##name, float, bool>, launch<fn_##name, double, bool>,             \
        launch<fn_##name, int32_t, bool>, launch<fn_##name, int64_t, bool>,      \
        launch<fn_##name, bool, bool>
#define BIT_ROW(name) nullptr, nullptr, nullptr, nullptr, launch<fn_##name, bool, bool>

static const struct {
    binary_fn *of[5];
    void (*slope[2][2])(const slope_args *); /* of side a, b; f32, f64 */
} rows[] = {
#define DSC_BINARY(name, kind, y, da, db)                                        \
    {{kind##_ROW(name)},                                                         \
     {{launch_slope<fn_##name, 0, float>, launch_slope<fn_##name, 0, double>},   \
      {launch_slope<fn_##name, 1, float>, launch_slope<fn_##name, 1, double>}}},
#include "device/binaries.def"
#undef DSC_BINARY
};

bool dsc_cuda_has_binary(int fn, enum dsc_cuda_elem elem)
{
    return rows[fn].of[elem];
}

int dsc_cuda_binary(void *stream, int fn, enum dsc_cuda_elem elem, const dsc_cuda_space *s,
                    void *y, const void *a, const void *b)
{
    rows[fn].of[elem]((cudaStream_t)stream, s, y, a, b);
    return cudaGetLastError();
}

int dsc_cuda_binary_bwd(void *stream, int fn, int side, bool is_double,
                        const dsc_cuda_space *moving, const dsc_cuda_space *still,
                        bool is_side_by_side, void *dx, const void *dy, const void *a,
                        const void *b)
{
    const slope_args g = {(cudaStream_t)stream, moving, still, is_side_by_side, dx, dy, a, b};

    rows[fn].slope[side][is_double](&g);
    return cudaGetLastError();
}

/* Walks: 0 y, 1 c, 2 a, 3 b. */
template <typename T>
static __global__ void select_kernel(int64_t n, dsc_cuda_space s, T *y, const bool *c, const T *a,
                                     const T *b)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;
    int64_t o[4];

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step) {
        dsc_cuda_offsets<4>(s, i, o);
        y[o[0]] = c[o[1]] ? a[o[2]] : b[o[3]];
    }
}

template <typename T>
static void select(cudaStream_t stream, const dsc_cuda_space *s, void *y, const void *c,
                   const void *a, const void *b)
{
    const int64_t n = dsc_cuda_places(s);

    select_kernel<T><<<dsc_cuda_blocks(n), DSC_CUDA_BLOCK, 0, stream>>>(
        n, *s, (T *)y, (const bool *)c, (const T *)a, (const T *)b);
}

int dsc_cuda_select_by(void *stream, int elem_bytes, const dsc_cuda_space *s, void *y,
                       const void *c, const void *a, const void *b)
{
    (elem_bytes == 1   ? select<uint8_t>
     : elem_bytes == 2 ? select<uint16_t>
     : elem_bytes == 4 ? select<uint32_t>
                       : select<uint64_t>)((cudaStream_t)stream, s, y, c, a, b);
    return cudaGetLastError();
}
