/*
 * Element-wise functions, AVX2.
 */
#define LANES_H "kernels/x86/lanes_avx2.h"
#include "kernels/map_body.h"
