/* The product of f32 with AVX2: 6 rows by 16 columns of sums in 12 registers. */
#define LANES_H "kernels/x86/lanes_avx2.h"
enum { SGEMM_ROWS = 6, SGEMM_PANELS = 1 };

#include "kernels/sgemm_body.h"
