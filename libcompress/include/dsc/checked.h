/*
 * Size arithmetic that says when it does not fit. Every size that comes from a file passes here.
 */
#ifndef DSC_CHECKED_H
#define DSC_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** r = a op b; false when the result does not fit (r is then undefined). */
static inline bool dsc_add_size(size_t a, size_t b, size_t *r)
{
    return !__builtin_add_overflow(a, b, r);
}

static inline bool dsc_mul_size(size_t a, size_t b, size_t *r)
{
    return !__builtin_mul_overflow(a, b, r);
}

static inline bool dsc_add_i64(int64_t a, int64_t b, int64_t *r)
{
    return !__builtin_add_overflow(a, b, r);
}

static inline bool dsc_mul_i64(int64_t a, int64_t b, int64_t *r)
{
    return !__builtin_mul_overflow(a, b, r);
}

#endif
