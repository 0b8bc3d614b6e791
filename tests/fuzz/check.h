/* Stands in for Check's header: sample.c is linked into programs that run no test suite. */
#ifndef DSC_TESTS_FUZZ_CHECK_H
#define DSC_TESTS_FUZZ_CHECK_H

#include <stdlib.h>

#define ck_assert(is_true) ((is_true) ? (void)0 : abort())
#define ck_assert_msg(is_true, ...) ck_assert(is_true)
#define ck_assert_int_eq(a, b) ck_assert((a) == (b))
#define ck_assert_int_lt(a, b) ck_assert((a) < (b))
#define ck_assert_ptr_ne(a, b) ck_assert((a) != (b))
#define ck_abort_msg(...) abort()

#endif
