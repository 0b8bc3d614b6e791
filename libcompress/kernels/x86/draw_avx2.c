/*
 * Random draws, AVX2.
 */
#define LANES_H "kernels/x86/lanes_avx2.h"
#include "kernels/draw_body.h"
