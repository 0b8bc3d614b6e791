/* Element types of safetensors, shared by reader and writer. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "dsc/tensor.h"

struct st_dtype {
    const char *text; /* "BF16" */
    enum dsc_dtype dtype;
};

/** The format's name of a type; NULL when it has none. */
const char *st_dtype_text(enum dsc_dtype d);

#endif
