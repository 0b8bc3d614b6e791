/* The table of element types. */
#include "dsc/tensor.h"

#define FLOAT DSC_KIND_FLOAT
#define SIGNED DSC_KIND_SIGNED
#define UNSIGNED DSC_KIND_UNSIGNED
#define BOOL DSC_KIND_BOOL

static const struct {
    const char *text;
    int onnx;
    int n_bits;
    enum dsc_kind kind;
} rows[DSC_DTYPE_COUNT] = {
    [DSC_DTYPE_NONE] = {"none", 0, 0, DSC_KIND_NONE},
#define DSC_DTYPE(name, text, onnx, bits, kind) [DSC_##name] = {text, onnx, bits, kind},
#include "dsc/dtypes.def"
#undef DSC_DTYPE
};

const char *dsc_dtype_text(enum dsc_dtype d)
{
    return rows[d].text;
}

enum dsc_kind dsc_dtype_kind(enum dsc_dtype d)
{
    return rows[d].kind;
}

int dsc_dtype_bits(enum dsc_dtype d)
{
    return rows[d].n_bits;
}

int dsc_dtype_onnx(enum dsc_dtype d)
{
    return rows[d].onnx;
}

enum dsc_dtype dsc_dtype_from_onnx(int64_t code)
{
    for (int d = 1; d < DSC_DTYPE_COUNT; d++)
        if (rows[d].onnx == code)
            return (enum dsc_dtype)d;
    return DSC_DTYPE_NONE;
}

bool dsc_dtype_is_float(enum dsc_dtype d)
{
    return rows[d].kind == DSC_KIND_FLOAT;
}

size_t dsc_dtype_bytes(enum dsc_dtype d, int64_t n)
{
    const size_t bits = (size_t)rows[d].n_bits;

    if (bits >= 8 || bits == 0)
        return (size_t)n * (bits / 8);
    /* n may be near 2^63: its bits do not fit */
    return (size_t)n / (8 / bits) + ((size_t)n % (8 / bits) != 0);
}
