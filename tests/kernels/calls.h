/*
 * One call of a kernel on a job's buffers, for each type of kernel: what the test compares between
 * implementations and what the benchmark times.
 */
#ifndef DSC_TEST_CALLS_H
#define DSC_TEST_CALLS_H

#include "kernels/kernels.h"

#include <stdbool.h>
#include <stdint.h>

enum { JOB_INPUTS = 4, JOB_OUTPUTS = 3, JOB_RESULTS = 3 };

/* Any kernel; cast back to its type before the call. */
typedef void any_kernel(void);

/**
 * n elements in each buffer of f32. Outputs hold numbers before the call too, as gradients do.
 * `is_integer` is set by the call when out[0] holds integers, compared byte by byte.
 */
struct job {
    int64_t n;
    const float *in[JOB_INPUTS];
    float *out[JOB_OUTPUTS];
    float result[JOB_RESULTS];
    bool is_integer;
};

typedef void call_fn(any_kernel *kernel, struct job *j);

/** A row of kernels.def with how to call it. */
struct kernel_row {
    const char *slot, *variant;
    enum dsc_cpu_level need;
    any_kernel *ref, *kernel;
    call_fn *call;
};

extern const struct kernel_row kernel_rows[];
extern const int n_kernel_rows;

#endif
