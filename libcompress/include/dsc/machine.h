/*
 * The machine: what its processor can do, how much memory it has, which BLAS is linked.
 * For reports, and for the choice of kernels.
 */
#ifndef DSC_MACHINE_H
#define DSC_MACHINE_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stdint.h>

/** Instruction levels, each including the ones before; the words of --cpu. */
enum dsc_cpu_level { DSC_CPU_REF, DSC_CPU_AVX2, DSC_CPU_AVX512, DSC_CPU_VNNI };

/**
 * features  words separated by spaces: "avx2 fma avx512f .."
 * level     the highest level that the processor and its operating system support
 * Units     memory in bytes; 0 when the system does not say
 */
struct dsc_machine {
    char cpu_name[64];
    char features[256];
    enum dsc_cpu_level level;
    int n_cores; /* that this process may run on */
    uint64_t memory_bytes;
    uint64_t available_bytes;
};

void dsc_machine_probe(struct dsc_machine *m);
/** The highest level that the processor and its operating system support. */
enum dsc_cpu_level dsc_cpu_level_best(void);
const char *dsc_cpu_level_name(enum dsc_cpu_level level);

/** The BLAS: its build text, its kernel ("Haswell"), and whether it counts threads itself. */
struct dsc_blas_info {
    char config[160];
    char core[32];
    int n_threads;
};

void dsc_blas_probe(struct dsc_blas_info *info);

/**
 * The kernel that OpenBLAS should use at `level`, where `core`, the one that it chose, is of none
 * or of an older one: it does not know processors that came after it, and takes its oldest kernel
 * for them. NULL where its choice is good.
 */
const char *dsc_blas_better_core(const char *core, enum dsc_cpu_level level);

/**
 * Multiply matrices of odd shapes and transposes, and compare with sums in double precision.
 *
 * n_cases  how many products were made; n_wrong  how many had an element off by more than rounding
 *          explains, or read memory that beta = 0 forbids (NaN in C)
 * Errors   MEMORY
 */
enum dsc_status dsc_blas_self_test(int *n_cases, int *n_wrong, struct dsc_err *err);

#endif
