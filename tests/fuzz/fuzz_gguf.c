/* GGUF: what is read has its tensors inside the file, and their values can be read. */
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <string.h>

static bool lies_inside(const struct dsc_stored *s, size_t n_bytes)
{
    return s->n_bytes == 0 || (s->offset <= n_bytes && s->n_bytes <= n_bytes - s->offset);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes >= 4 && memcmp(data, "GGUF", 4) == 0)
        fuzz_model(data, n_bytes, lies_inside);
    return 0;
}
