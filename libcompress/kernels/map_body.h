/*
 * Element-wise functions of f32: the rows of family `map`. Included once by each map_<level>.c,
 * which names its lanes header.
 */
#include "kernels/kernels.h"
#include "kernels/vecmath.h"

#define MAP(slot, f)                                       \
    void FN(slot)(float *y, const float *x, int64_t n)     \
    {                                                      \
        int64_t i = 0;                                     \
                                                           \
        for (; i + LANES <= n; i += LANES)                 \
            v_store(y + i, f(v_load(x + i)));              \
        v_put(y + i, f(v_get(x + i, n - i, 0.0f)), n - i); \
    }

/* dx += dy * slope(x); for tanh and sigmoid x is their result */
#define MAP_BWD(slot, slope)                                                                   \
    void FN(slot)(float *dx, const float *dy, const float *x, int64_t n)                       \
    {                                                                                          \
        for (int64_t i = 0; i < n; i += LANES) {                                               \
            vf s = slope(v_get(x + i, n - i, 0.0f));                                           \
                                                                                               \
            v_put(dx + i, v_get(dx + i, n - i, 0.0f) + v_get(dy + i, n - i, 0.0f) * s, n - i); \
        }                                                                                      \
    }

static inline vf tanh_slope_of_y(vf y)
{
    return 1.0f - y * y;
}

static inline vf sigmoid_slope_of_y(vf y)
{
    return y * (1.0f - y);
}

static inline vf relu(vf x)
{
    return v_max(v_set(0.0f), x);
}

static inline vf relu_slope(vf x)
{
    return v_sel(v_lt(v_set(0.0f), x), v_set(1.0f), v_set(0.0f));
}

MAP(exp_f32, v_exp)
MAP(log_f32, v_log)
MAP(erf_f32, v_erf)
MAP(tanh_f32, v_tanh)
MAP(sigmoid_f32, v_sigmoid)
MAP(gelu_f32, v_gelu)
MAP(gelu_tanh_f32, v_gelu_tanh)
MAP(relu_f32, relu)
MAP_BWD(tanh_bwd_f32, tanh_slope_of_y)
MAP_BWD(sigmoid_bwd_f32, sigmoid_slope_of_y)
MAP_BWD(gelu_bwd_f32, v_gelu_slope)
MAP_BWD(gelu_tanh_bwd_f32, v_gelu_tanh_slope)
MAP_BWD(relu_bwd_f32, relu_slope)
