/*
 * Fuzz harnesses. Each is a libFuzzer target (clang, meson option `fuzz`) and, linked with
 * fuzz_main.c, a program that changes the bytes of given files by a seed.
 */
#ifndef DSC_TESTS_FUZZ_H
#define DSC_TESTS_FUZZ_H

#include "dsc/status.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/** What the input at hand turned out to be, printed when the driver is verbose. */
void fuzz_note(const char *what);

/** A failure has its reason, and bad input is never INTERNAL; else fuzz_fail. */
void fuzz_check(enum dsc_status st, const struct dsc_err *err);
/** Print the error and abort. */
void fuzz_fail(const struct dsc_err *err);

#endif
