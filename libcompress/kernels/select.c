/*
 * The table of kernels for each CPU level.
 */
#include "kernels/blas/blas.h"
#include "kernels/kernels.h"

/* A row takes part in the tables from its level on; a later initialiser overrides an earlier one,
 * which is the rule "the last row wins". */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

#define ROW(slot, variant) .slot = dsc_##slot##_##variant,
#define NO_ROW(slot, variant)
#define DSC_SLOT(slot, type)
#define DSC_KERNEL(slot, variant, need) FROM_##need(slot, variant)

static const struct dsc_kernels kernels_ref = {
    .level = DSC_CPU_REF,
#define FROM_DSC_CPU_REF ROW
#define FROM_DSC_CPU_AVX2 NO_ROW
#define FROM_DSC_CPU_AVX512 NO_ROW
#define FROM_DSC_CPU_VNNI NO_ROW
#include "kernels/kernels.def"
};

#if defined(__x86_64__)
static const struct dsc_kernels kernels_avx2 = {
    .level = DSC_CPU_AVX2,
#undef FROM_DSC_CPU_AVX2
#define FROM_DSC_CPU_AVX2 ROW
#include "kernels/kernels.def"
};

static const struct dsc_kernels kernels_avx512 = {
    .level = DSC_CPU_AVX512,
#undef FROM_DSC_CPU_AVX512
#define FROM_DSC_CPU_AVX512 ROW
#include "kernels/kernels.def"
};

static const struct dsc_kernels kernels_vnni = {
    .level = DSC_CPU_VNNI,
#undef FROM_DSC_CPU_VNNI
#define FROM_DSC_CPU_VNNI ROW
#include "kernels/kernels.def"
};

static const struct dsc_kernels *const tables[] = {&kernels_ref, &kernels_avx2, &kernels_avx512,
                                                   &kernels_vnni};
#else
static const struct dsc_kernels *const tables[] = {&kernels_ref};
#endif

const struct dsc_kernels *dsc_kernels_for(enum dsc_cpu_level level)
{
    enum dsc_cpu_level best = dsc_cpu_level_best();

    dsc_blas_init();
    return tables[level < best ? level : best];
}
