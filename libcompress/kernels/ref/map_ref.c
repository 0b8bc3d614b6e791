/*
 * Element-wise functions, scalar: the specification.
 */
#define LANES_H "kernels/ref/lanes_ref.h"
#include "kernels/map_body.h"
