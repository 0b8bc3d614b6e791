/* Shapes: element counts and what two shapes have in common. */
#include "dsc/checked.h"
#include "dsc/tensor.h"

#include <inttypes.h>
#include <stdio.h>

int64_t dsc_tensor_n_elems(const struct dsc_tensor *t)
{
    int64_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

size_t dsc_tensor_n_bytes(const struct dsc_tensor *t)
{
    return dsc_dtype_bytes(t->dtype, dsc_tensor_n_elems(t));
}

bool dsc_tensor_is_present(const struct dsc_tensor *t)
{
    return t && t->dtype != DSC_DTYPE_NONE;
}

bool dsc_tensor_same_shape(const struct dsc_tensor *a, const struct dsc_tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

enum dsc_status dsc_shape_check(enum dsc_dtype dtype, int rank, const int64_t *dim,
                                int64_t *n_elems, struct dsc_err *err)
{
    int64_t n = 1, n_bytes;
    bool is_empty = false;

    if (rank < 0 || rank > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_LIMIT, "rank %d, at most %d axes are supported", rank,
                        DSC_MAX_RANK);
    for (int i = 0; i < rank; i++)
        if (dim[i] < 0)
            return dsc_fail(err, DSC_E_RANGE, "axis %d has the negative size %" PRId64, i, dim[i]);
    /* Strides are products without the empty axis: they must fit even where no element is. */
    for (int i = 0; i < rank; i++) {
        is_empty = is_empty || dim[i] == 0;
        if (!dsc_mul_i64(n, dim[i] ? dim[i] : 1, &n))
            return dsc_fail(err, DSC_E_OVERFLOW, "the shape's elements do not fit 63 bits");
    }
    if (!dsc_mul_i64(n, (dsc_dtype_bits(dtype) + 7) / 8, &n_bytes))
        return dsc_fail(err, DSC_E_OVERFLOW, "the shape's bytes do not fit 63 bits");
    if (n_elems)
        *n_elems = is_empty ? 0 : n;
    return DSC_OK;
}

char *dsc_tensor_text(const struct dsc_tensor *t, char *text, size_t n_bytes)
{
    size_t n = (size_t)snprintf(text, n_bytes, "%s[", dsc_dtype_text(t->dtype));

    for (int i = 0; i < t->rank && n < n_bytes; i++)
        n += (size_t)snprintf(text + n, n_bytes - n, "%s%" PRId64, i ? "," : "", t->dim[i]);
    if (n < n_bytes)
        snprintf(text + n, n_bytes - n, "]");
    return text;
}
