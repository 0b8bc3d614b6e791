/*
 * Row kernels, AVX2.
 */
#define LANES_H "kernels/x86/lanes_avx2.h"
#include "kernels/rows_body.h"
