/* Tensor references, views, host storage, and single elements of host tensors. */
#include "dsc/tensor.h"

#include <math.h>
#include <string.h>

void dsc_buffer_ref(struct dsc_buffer *b)
{
    if (b)
        atomic_fetch_add_explicit(&b->n_refs, 1, memory_order_relaxed);
}

void dsc_buffer_unref(struct dsc_buffer *b)
{
    if (b && atomic_fetch_sub_explicit(&b->n_refs, 1, memory_order_acq_rel) == 1)
        b->release(b);
}

void dsc_tensor_ref(struct dsc_tensor *dst, const struct dsc_tensor *src)
{
    *dst = *src;
    dsc_buffer_ref(dst->buf);
}

void dsc_tensor_clear(struct dsc_tensor *t)
{
    dsc_buffer_unref(t->buf);
    *t = (struct dsc_tensor){0};
}

enum dsc_status dsc_tensor_reshape(struct dsc_tensor *dst, const struct dsc_tensor *src, int rank,
                                   const int64_t *dim, struct dsc_err *err)
{
    char text[128];
    int64_t n;

    DSC_TRY(dsc_shape_check(src->dtype, rank, dim, &n, err));
    if (n != dsc_tensor_n_elems(src))
        return dsc_fail(err, DSC_E_SHAPE, "%s cannot be seen as %lld elements",
                        dsc_tensor_text(src, text, sizeof text), (long long)n);
    dsc_tensor_ref(dst, src);
    dst->rank = rank;
    for (int i = 0; i < rank; i++)
        dst->dim[i] = dim[i];
    return DSC_OK;
}

enum dsc_status dsc_tensor_slice0(struct dsc_tensor *dst, const struct dsc_tensor *src,
                                  int64_t first, int64_t n, struct dsc_err *err)
{
    int64_t n_row;

    if (src->rank < 1 || first < 0 || n < 0 || first > src->dim[0] - n)
        return dsc_fail(err, DSC_E_SHAPE, "slices %lld..%lld are not in the first axis",
                        (long long)first, (long long)(first + n));
    n_row = src->dim[0] ? dsc_tensor_n_elems(src) / src->dim[0] : 0;
    if (dsc_dtype_bits(src->dtype) < 8 && first * n_row % 2 != 0)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "a slice of packed 4-bit data at half a byte");
    dsc_tensor_ref(dst, src);
    dst->dim[0] = n;
    dst->data = (char *)src->data + dsc_dtype_bytes(src->dtype, first * n_row);
    return DSC_OK;
}

static void release_heap(struct dsc_buffer *b)
{
    dsc_heap_free(b->data);
    dsc_heap_free(b);
}

enum dsc_status dsc_tensor_new(struct dsc_tensor *t, enum dsc_dtype dtype, int rank,
                               const int64_t *dim, struct dsc_err *err)
{
    int64_t n;
    struct dsc_buffer *b;

    *t = (struct dsc_tensor){0};
    DSC_TRY(dsc_shape_check(dtype, rank, dim, &n, err));
    b = dsc_heap_alloc(1, sizeof *b, err);
    if (!b)
        return DSC_E_MEMORY;
    b->n_bytes = dsc_dtype_bytes(dtype, n);
    b->data = dsc_heap_aligned(b->n_bytes, err);
    if (!b->data) {
        dsc_heap_free(b);
        return DSC_E_MEMORY;
    }
    memset(b->data, 0, b->n_bytes);
    atomic_init(&b->n_refs, 1);
    b->release = release_heap;
    t->dtype = dtype;
    t->rank = rank;
    for (int i = 0; i < rank; i++)
        t->dim[i] = dim[i];
    t->data = b->data;
    t->buf = b;
    return DSC_OK;
}

enum dsc_status dsc_tensor_wrap(struct dsc_tensor *t, enum dsc_dtype dtype, int rank,
                                const int64_t *dim, const void *data, struct dsc_buffer *owner_buf,
                                struct dsc_err *err)
{
    *t = (struct dsc_tensor){0};
    DSC_TRY(dsc_shape_check(dtype, rank, dim, NULL, err));
    t->dtype = dtype;
    t->rank = rank;
    for (int i = 0; i < rank; i++)
        t->dim[i] = dim[i];
    t->data = (void *)(uintptr_t)data;
    t->buf = owner_buf;
    dsc_buffer_ref(owner_buf);
    return DSC_OK;
}

static int get_nibble(const struct dsc_tensor *t, int64_t i)
{
    return ((const uint8_t *)t->data)[i / 2] >> (i % 2 ? 4 : 0) & 15;
}

static void set_nibble(const struct dsc_tensor *t, int64_t i, int v)
{
    uint8_t *p = (uint8_t *)t->data + i / 2;

    *p = (uint8_t)(i % 2 ? (*p & 0x0F) | (v & 15) << 4 : (*p & 0xF0) | (v & 15));
}

/* One switch over element types for single-element access: everything else goes through it. */
int64_t dsc_tensor_get_i64(const struct dsc_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case DSC_U8:
    case DSC_BOOL:
        return ((const uint8_t *)t->data)[i];
    case DSC_I8:
        return ((const int8_t *)t->data)[i];
    case DSC_U16:
        return ((const uint16_t *)t->data)[i];
    case DSC_I16:
        return ((const int16_t *)t->data)[i];
    case DSC_I32:
        return ((const int32_t *)t->data)[i];
    case DSC_U32:
        return ((const uint32_t *)t->data)[i];
    case DSC_I64:
        return ((const int64_t *)t->data)[i];
    case DSC_U64:
        return (int64_t)((const uint64_t *)t->data)[i];
    case DSC_U4:
        return get_nibble(t, i);
    case DSC_I4:
        return (get_nibble(t, i) ^ 8) - 8;
    default: {
        const double v = dsc_tensor_get_f64(t, i);

        return v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : v == v ? (int64_t)v : 0;
    }
    }
}

double dsc_tensor_get_f64(const struct dsc_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case DSC_F32:
        return ((const float *)t->data)[i];
    case DSC_F64:
        return ((const double *)t->data)[i];
    case DSC_F16:
        return dsc_half_to_float(((const uint16_t *)t->data)[i]);
    case DSC_BF16:
        return dsc_bf16_to_float(((const uint16_t *)t->data)[i]);
    case DSC_U64:
        return (double)((const uint64_t *)t->data)[i];
    case DSC_DTYPE_NONE:
    case DSC_DTYPE_COUNT:
        return NAN;
    default:
        return (double)dsc_tensor_get_i64(t, i);
    }
}

static int64_t saturate(enum dsc_dtype d, int64_t v)
{
    const int bits = dsc_dtype_bits(d);
    const bool is_signed = dsc_dtype_kind(d) == DSC_KIND_SIGNED;
    const int64_t hi = bits == 64 ? INT64_MAX : ((int64_t)1 << (bits - (is_signed ? 1 : 0))) - 1;
    const int64_t lo = !is_signed ? 0 : bits == 64 ? INT64_MIN : -hi - 1;

    if (d == DSC_BOOL)
        return v != 0;
    return v < lo ? lo : v > hi ? hi : v;
}

void dsc_tensor_set_i64(struct dsc_tensor *t, int64_t i, int64_t v)
{
    if (dsc_dtype_is_float(t->dtype)) {
        dsc_tensor_set_f64(t, i, (double)v);
        return;
    }
    v = saturate(t->dtype, v);
    switch (dsc_dtype_bits(t->dtype)) {
    case 4:
        set_nibble(t, i, (int)v);
        break;
    case 8:
        ((uint8_t *)t->data)[i] = (uint8_t)v;
        break;
    case 16:
        ((uint16_t *)t->data)[i] = (uint16_t)v;
        break;
    case 32:
        ((uint32_t *)t->data)[i] = (uint32_t)v;
        break;
    default:
        ((int64_t *)t->data)[i] = v;
        break;
    }
}

void dsc_tensor_set_f64(struct dsc_tensor *t, int64_t i, double v)
{
    switch (t->dtype) {
    case DSC_F32:
        ((float *)t->data)[i] = (float)v;
        break;
    case DSC_F64:
        ((double *)t->data)[i] = v;
        break;
    case DSC_F16:
        ((uint16_t *)t->data)[i] = dsc_float_to_half((float)v);
        break;
    case DSC_BF16:
        ((uint16_t *)t->data)[i] = dsc_float_to_bf16((float)v);
        break;
    default:
        v = rint(v);
        dsc_tensor_set_i64(t, i,
                           v >= 0x1p63    ? INT64_MAX
                           : v <= -0x1p63 ? INT64_MIN
                           : v == v       ? (int64_t)v
                                          : 0);
        break;
    }
}
