/*
 * Quantization of rows, scalar: the specification.
 */
#define LANES_H "kernels/ref/lanes_ref.h"
#include "kernels/quant_body.h"
