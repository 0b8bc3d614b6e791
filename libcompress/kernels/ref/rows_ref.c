/*
 * Row kernels, scalar: the specification.
 */
#define LANES_H "kernels/ref/lanes_ref.h"
#include "kernels/rows_body.h"
