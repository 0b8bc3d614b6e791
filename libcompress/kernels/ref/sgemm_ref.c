/* The product of f32 on a packed right side, scalar: the specification. */
enum { SGEMM_ROWS = 1, SGEMM_PANELS = 1 };

#include "kernels/sgemm_body.h"
