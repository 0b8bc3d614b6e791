/* The table of quantizers. */
#include "dsc/quantizer.h"

#include <string.h>

static const struct dsc_quantizer quantizers[] = {
#define DSC_QUANTIZER(...) {__VA_ARGS__},
#include "ops/quantizers.def"
#undef DSC_QUANTIZER
};

const struct dsc_quantizer *dsc_quantizer_find(const char *name)
{
    for (size_t i = 0; i < sizeof quantizers / sizeof quantizers[0]; i++)
        if (strcmp(quantizers[i].name, name) == 0)
            return &quantizers[i];
    return NULL;
}
