/*
 * cast: y = x in another element type.
 *
 * C's conversion is undefined outside the target's range; ONNX leaves it open. Floats truncate
 * toward zero and saturate at 64 bits; integers wrap, which is what NumPy shows on x86-64 for
 * values that fit. 4-bit types round and saturate, as onnx's reference does.
 */
#include "device/cpu/cpu.h"

#include <math.h>
#include <string.h>

struct cast_job {
    const struct dsc_tensor *y, *x;
    int64_t n;
};

static int64_t truncated(double v)
{
    return v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : v == v ? (int64_t)v : 0;
}

#define AS_IS(v) (v)

#define TO(T_, D_, expr)                      \
    case D_:                                  \
        for (int64_t i = first; i < end; i++) \
            ((T_ *)y->data)[i] = (T_)(expr);  \
        return true;

/* Elements [first, end) of a source type to every type of 8 bits and more; false for the others. */
#define CAST_FROM(S_, sfx, load, whole)                                                           \
    static bool cast_##sfx(const struct dsc_tensor *y, const struct dsc_tensor *x, int64_t first, \
                           int64_t end)                                                           \
    {                                                                                             \
        const S_ *p = x->data;                                                                    \
        switch (y->dtype) {                                                                       \
            TO(float, DSC_F32, load(p[i]))                                                        \
            TO(double, DSC_F64, load(p[i]))                                                       \
            TO(uint16_t, DSC_F16, dsc_float_to_half((float)load(p[i])))                           \
            TO(uint16_t, DSC_BF16, dsc_float_to_bf16((float)load(p[i])))                          \
            TO(uint8_t, DSC_BOOL, load(p[i]) != 0)                                                \
            TO(int8_t, DSC_I8, whole(load(p[i])))                                                 \
            TO(uint8_t, DSC_U8, whole(load(p[i])))                                                \
            TO(int16_t, DSC_I16, whole(load(p[i])))                                               \
            TO(uint16_t, DSC_U16, whole(load(p[i])))                                              \
            TO(int32_t, DSC_I32, whole(load(p[i])))                                               \
            TO(uint32_t, DSC_U32, whole(load(p[i])))                                              \
            TO(int64_t, DSC_I64, whole(load(p[i])))                                               \
            TO(uint64_t, DSC_U64, whole(load(p[i])))                                              \
        default:                                                                                  \
            return false;                                                                         \
        }                                                                                         \
    }

CAST_FROM(float, f32, AS_IS, truncated)
CAST_FROM(double, f64, AS_IS, truncated)
CAST_FROM(uint16_t, f16, dsc_half_to_float, truncated)
CAST_FROM(uint16_t, bf16, dsc_bf16_to_float, truncated)
CAST_FROM(int8_t, i8, AS_IS, AS_IS)
CAST_FROM(uint8_t, u8, AS_IS, AS_IS) /* bool too */
CAST_FROM(int16_t, i16, AS_IS, AS_IS)
CAST_FROM(uint16_t, u16, AS_IS, AS_IS)
CAST_FROM(int32_t, i32, AS_IS, AS_IS)
CAST_FROM(uint32_t, u32, AS_IS, AS_IS)
CAST_FROM(int64_t, i64, AS_IS, AS_IS)
CAST_FROM(uint64_t, u64, AS_IS, AS_IS)

static bool (*const cast_of[DSC_DTYPE_COUNT])(const struct dsc_tensor *, const struct dsc_tensor *,
                                              int64_t, int64_t) = {
    [DSC_F32] = cast_f32, [DSC_F64] = cast_f64, [DSC_F16] = cast_f16, [DSC_BF16] = cast_bf16,
    [DSC_I8] = cast_i8,   [DSC_U8] = cast_u8,   [DSC_I16] = cast_i16, [DSC_U16] = cast_u16,
    [DSC_I32] = cast_i32, [DSC_U32] = cast_u32, [DSC_I64] = cast_i64, [DSC_U64] = cast_u64,
    [DSC_BOOL] = cast_u8,
};

/* From or to a 4-bit type. */
static void cast_nibble(struct dsc_tensor *y, const struct dsc_tensor *x, int64_t i)
{
    int64_t v;

    if (dsc_dtype_is_float(y->dtype)) {
        dsc_tensor_set_f64(y, i, (double)dsc_tensor_get_i64(x, i));
        return;
    }
    v = dsc_dtype_is_float(x->dtype) ? truncated(rint(dsc_tensor_get_f64(x, i)))
                                     : dsc_tensor_get_i64(x, i);
    if (y->dtype == DSC_BOOL) {
        ((uint8_t *)y->data)[i] = v != 0;
        return;
    }
    if (dsc_dtype_bits(y->dtype) == 4) {
        dsc_tensor_set_i64(y, i, v);
        return;
    }
    memcpy((char *)y->data + (size_t)i * dsc_dtype_bytes(y->dtype, 1), &v,
           dsc_dtype_bytes(y->dtype, 1)); /* little endian: the low bytes */
}

/* Tiles begin at even elements, so that no two meet in one byte of nibbles. */
static void cast_tile(void *ctx, int64_t tile)
{
    const struct cast_job *j = ctx;
    const int64_t first = tile * DSC_CPU_TILE, end = dsc_cpu_tile_end(tile, j->n);
    struct dsc_tensor y = *j->y;

    if (cast_of[j->x->dtype] && cast_of[j->x->dtype](&y, j->x, first, end))
        return;
    for (int64_t i = first; i < end; i++)
        cast_nibble(&y, j->x, i);
}

enum dsc_status dsc_cpu_cast(struct dsc_device *d, const struct dsc_tensor *y,
                             const struct dsc_tensor *x, struct dsc_err *e)
{
    struct cast_job j = {.y = y, .x = x, .n = dsc_tensor_n_elems(x)};

    (void)e;
    if (y->dtype == x->dtype) {
        memcpy(y->data, x->data, dsc_tensor_n_bytes(x));
        return DSC_OK;
    }
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j.n), cast_tile, &j);
    return DSC_OK;
}
