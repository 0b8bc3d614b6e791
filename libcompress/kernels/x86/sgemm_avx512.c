/* The product of f32 with AVX-512: 8 rows by 48 columns of sums in 24 registers. */
#define LANES_H "kernels/x86/lanes_avx512.h"
enum { SGEMM_ROWS = 8, SGEMM_PANELS = 3 };

#include "kernels/sgemm_body.h"
