/* map and map_bwd: one kernel a row of maps.def and type, from the expressions of the table. */
#include "device/cuda/cuda_fold.cuh"

#define dsc_clamp01(v) ((v) < 0 ? (T)0 : (v) > 1 ? (T)1 : (v))

/* d/dv of 0.5 v (1 + tanh(s (v + c v^3))) */
template <typename T> static __device__ T dsc_gelu_tanh_slope(T v)
{
    const T s = (T)0.7978845608028654, c = (T)0.044715;
    const T t = tanh(s * (v + c * v * v * v));

    return (T)0.5 * (1 + t) + (T)0.5 * v * (1 - t * t) * s * (1 + 3 * c * v * v);
}

#define DSC_MAP(name, fwd, slope)                                                \
    struct fn_##name {                                                           \
        template <typename T> static __device__ T value(T x, T a, T b)           \
        {                                                                        \
            (void)a;                                                             \
            (void)b;                                                             \
            return (T)(fwd);                                                     \
        }                                                                        \
        template <typename T> static __device__ T derivative(T x, T y, T a, T b) \
        {                                                                        \
            (void)x;                                                             \
            (void)y;                                                             \
            (void)a;                                                             \
            (void)b;                                                             \
            return (T)(slope);                                                   \
        }                                                                        \
    };
#include "device/maps.def"
#undef DSC_MAP

template <typename F, typename T>
static __global__ void map_kernel(int64_t n, T a, T b, T *yp, const T *xp)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step)
        yp[i] = F::value(xp[i], a, b);
}

template <typename F, typename T>
static __global__ void map_bwd_kernel(int64_t n, T a, T b, T *dx, const T *dy, const T *xp,
                                      const T *yp)
{
    const int64_t step = (int64_t)gridDim.x * DSC_CUDA_BLOCK;

    for (int64_t i = (int64_t)blockIdx.x * DSC_CUDA_BLOCK + threadIdx.x; i < n; i += step)
        dx[i] += dy[i] * F::derivative(xp ? xp[i] : (T)0, yp ? yp[i] : (T)0, a, b);
}

struct args {
    cudaStream_t stream;
    int64_t n;
    double alpha, beta;
    void *out;
    const void *dy, *x, *y;
};

template <typename F, typename T> static void launch(const args *g)
{
    map_kernel<F, T><<<dsc_cuda_blocks(g->n), DSC_CUDA_BLOCK, 0, g->stream>>>(
        g->n, (T)g->alpha, (T)g->beta, (T *)g->out, (const T *)g->x);
}

template <typename F, typename T> static void launch_bwd(const args *g)
{
    map_bwd_kernel<F, T><<<dsc_cuda_blocks(g->n), DSC_CUDA_BLOCK, 0, g->stream>>>(
        g->n, (T)g->alpha, (T)g->beta, (T *)g->out, (const T *)g->dy, (const T *)g->x,
        (const T *)g->y);
}

static const struct {
    void (*fwd[2])(const args *g); /* f32, f64 */
    void (*bwd[2])(const args *g);
} rows[] = {
#define DSC_MAP(name, fwd, slope)                           \
    {{launch<fn_##name, float>, launch<fn_##name, double>}, \
     {launch_bwd<fn_##name, float>, launch_bwd<fn_##name, double>}},
#include "device/maps.def"
#undef DSC_MAP
};

int dsc_cuda_map(void *stream, int fn, bool is_double, int64_t n, double alpha, double beta,
                 void *y, const void *x)
{
    const args g = {(cudaStream_t)stream, n, alpha, beta, y, nullptr, x, nullptr};

    rows[fn].fwd[is_double](&g);
    return cudaGetLastError();
}

int dsc_cuda_map_bwd(void *stream, int fn, bool is_double, int64_t n, double alpha, double beta,
                     void *dx, const void *dy, const void *x, const void *y)
{
    const args g = {(cudaStream_t)stream, n, alpha, beta, dx, dy, x, y};

    rows[fn].bwd[is_double](&g);
    return cudaGetLastError();
}
