/* HDF5 and Keras files: plain values are inside the file, names ascend, and values can be read. */
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <stdlib.h>
#include <string.h>

static bool lies_inside(const struct dsc_stored *s, size_t n_bytes)
{
    return s->offset <= n_bytes; /* values in chunks have no one place */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    uint8_t *copy;

    if (n_bytes < 8 || (memcmp(data, "\x89HDF", 4) != 0 && memcmp(data, "PK\3\4", 4) != 0))
        return 0;
    copy = fuzz_without_sums(data, n_bytes);
    fuzz_model(copy, n_bytes, lies_inside);
    free(copy);
    return 0;
}
