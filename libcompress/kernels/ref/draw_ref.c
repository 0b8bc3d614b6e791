/*
 * Random draws, scalar: the specification.
 */
#define LANES_H "kernels/ref/lanes_ref.h"
#include "kernels/draw_body.h"
