/*
 * Random draws, AVX-512.
 */
#define LANES_H "kernels/x86/lanes_avx512.h"
#include "kernels/draw_body.h"
