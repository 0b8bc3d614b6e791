/*
 * How simulated quantization (dsc.FakeQuantize) makes codes, and what of it learns: rows of
 * ops/quantizers.def, which says what their names mean and where they are from.
 */
#ifndef DSC_QUANTIZER_H
#define DSC_QUANTIZER_H

#include <stdbool.h>

struct dsc_quantizer {
    const char *name;
    bool has_offset;  /* the zero point learns as an offset, a real value */
    double inside;    /* factor of what rounding says of the scale: 1, or 0 (a learned clip) */
    bool has_decay;   /* the scale decays as weights do */
    bool is_sign;     /* codes -1, 0, 1; the scale is computed from the values */
    double threshold; /* up to which a sign is 0, in mean magnitudes; 0: no sign is 0 */
};

/** lsq, lsq+, pact, ternary, binary; NULL when unknown. */
const struct dsc_quantizer *dsc_quantizer_find(const char *name);

#endif
