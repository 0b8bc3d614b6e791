/*
 * Tensors: element type, shape, and a reference to storage.
 *
 * A tensor is dense and row-major, always: strides exist only as arguments of primitives
 * (device/prim.h), so that a kernel never has to ask. Views that keep the order of elements
 * (reshape, a slice of the first axis) share storage.
 *
 * `struct dsc_tensor` is a value: copy it with dsc_tensor_ref, which counts the reference, and end
 * it with dsc_tensor_clear. A zeroed struct is "no tensor". Storage is allocated by a device
 * (dsc/device.h) or wraps memory that somebody else owns.
 */
#ifndef DSC_TENSOR_H
#define DSC_TENSOR_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DSC_MAX_RANK = 8 };

enum dsc_dtype {
    DSC_DTYPE_NONE = 0,
#define DSC_DTYPE(name, text, onnx, bits, kind) DSC_##name,
#include "dsc/dtypes.def"
#undef DSC_DTYPE
    DSC_DTYPE_COUNT
};

enum dsc_kind { DSC_KIND_NONE, DSC_KIND_FLOAT, DSC_KIND_SIGNED, DSC_KIND_UNSIGNED, DSC_KIND_BOOL };

const char *dsc_dtype_text(enum dsc_dtype d);
enum dsc_kind dsc_dtype_kind(enum dsc_dtype d);
int dsc_dtype_bits(enum dsc_dtype d);
/** ONNX TensorProto.DataType number, and back (DSC_DTYPE_NONE for a type that is not there). */
int dsc_dtype_onnx(enum dsc_dtype d);
enum dsc_dtype dsc_dtype_from_onnx(int64_t code);
bool dsc_dtype_is_float(enum dsc_dtype d);
/** Bytes of n elements; 4-bit types are packed two to a byte, low half first. n >= 0. */
size_t dsc_dtype_bytes(enum dsc_dtype d, int64_t n);

struct dsc_device;

/** Reference-counted storage. `release` is called when the last reference goes. */
struct dsc_buffer {
    atomic_int n_refs;
    struct dsc_device *dev; /* NULL: host memory that no device pool owns */
    void *data;
    size_t n_bytes;
    void (*release)(struct dsc_buffer *b);
    void *owner;
};

struct dsc_tensor {
    enum dsc_dtype dtype; /* DSC_DTYPE_NONE: no tensor */
    int rank;
    int64_t dim[DSC_MAX_RANK];
    void *data; /* of the tensor's device; element 0 */
    struct dsc_buffer *buf;
};

int64_t dsc_tensor_n_elems(const struct dsc_tensor *t);
size_t dsc_tensor_n_bytes(const struct dsc_tensor *t);
bool dsc_tensor_is_present(const struct dsc_tensor *t); /* NULL or zeroed: false */
bool dsc_tensor_same_shape(const struct dsc_tensor *a, const struct dsc_tensor *b);

/** Elements of a shape; RANGE for a negative size, OVERFLOW when the bytes do not fit. */
enum dsc_status dsc_shape_check(enum dsc_dtype dtype, int rank, const int64_t *dim,
                                int64_t *n_elems, struct dsc_err *err);

/** dst becomes another reference to src's storage. dst's old content is not cleared. */
void dsc_tensor_ref(struct dsc_tensor *dst, const struct dsc_tensor *src);
void dsc_tensor_clear(struct dsc_tensor *t);

/**
 * A view with another shape and the same number of elements (and optionally another type of the
 * same size), or of `n` consecutive slices of the first axis. dst is a new reference.
 *
 * Errors  SHAPE  other number of elements, or slices outside the first axis
 */
enum dsc_status dsc_tensor_reshape(struct dsc_tensor *dst, const struct dsc_tensor *src, int rank,
                                   const int64_t *dim, struct dsc_err *err);
enum dsc_status dsc_tensor_slice0(struct dsc_tensor *dst, const struct dsc_tensor *src,
                                  int64_t first, int64_t n, struct dsc_err *err);

/**
 * Host storage of its own, zeroed (for initializers, constants, results).
 * Wrap refers to memory of `owner_buf` (which gains a reference), or to memory that outlives
 * the tensor when owner_buf is NULL.
 */
enum dsc_status dsc_tensor_new(struct dsc_tensor *t, enum dsc_dtype dtype, int rank,
                               const int64_t *dim, struct dsc_err *err);
enum dsc_status dsc_tensor_wrap(struct dsc_tensor *t, enum dsc_dtype dtype, int rank,
                                const int64_t *dim, const void *data, struct dsc_buffer *owner_buf,
                                struct dsc_err *err);
void dsc_buffer_ref(struct dsc_buffer *b);
void dsc_buffer_unref(struct dsc_buffer *b);

/**
 * Element i of a HOST tensor as a number; set rounds and saturates as ONNX Cast does not (it is for
 * small values: shapes, axes, scalars). Any dtype.
 */
int64_t dsc_tensor_get_i64(const struct dsc_tensor *t, int64_t i);
double dsc_tensor_get_f64(const struct dsc_tensor *t, int64_t i);
void dsc_tensor_set_f64(struct dsc_tensor *t, int64_t i, double v);
void dsc_tensor_set_i64(struct dsc_tensor *t, int64_t i, int64_t v);

/** "f32[2,3]" into text; returns text. */
char *dsc_tensor_text(const struct dsc_tensor *t, char *text, size_t n_bytes);

/** IEEE half and bfloat16, round to nearest even, NaN kept. */
float dsc_half_to_float(uint16_t h);
uint16_t dsc_float_to_half(float f);
float dsc_bf16_to_float(uint16_t h);
uint16_t dsc_float_to_bf16(float f);

#endif
