/* PyTorch files: what is read has its tensors inside the file, and their values can be read. */
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"
#include "model/pt.h"

#include <stdlib.h>
#include <string.h>

static bool lies_inside(const struct dsc_stored *s, size_t n_bytes)
{
    return s->n_bytes == 0 || s->offset < n_bytes;
}

/* What else runs in the child, where a fuzzer sees no line of it. */
static void parse(const uint8_t *data, size_t n_bytes)
{
    struct dsc_buffer file = {.data = (void *)(uintptr_t)data, .n_bytes = n_bytes};
    const struct dsc_model m = {.file = &file};
    struct dsc_bytes answer = {0};
    struct dsc_err err = {0};

    fuzz_check(pt_child_list(&m, &answer, &err), &err);
    dsc_bytes_clear(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    uint8_t *copy;

    if (n_bytes < 4 || (memcmp(data, "PK\3\4", 4) != 0 && memcmp(data, "\x80\2\x8a\x0a", 4) != 0))
        return 0;
    copy = fuzz_without_sums(data, n_bytes);
    parse(copy, n_bytes);
    fuzz_model(copy, n_bytes, lies_inside);
    free(copy);
    return 0;
}
