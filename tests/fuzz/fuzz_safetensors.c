/* Safetensors: tensors that are read are written, and read back equal in number. */
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <stdio.h>

static void write_again(const struct dsc_bundle *b)
{
    char folder[128], path[160];
    struct dsc_bundle again = {0};
    struct dsc_err err = {0};

    fuzz_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/again.safetensors", folder);
    if (dsc_safetensors_write(b, path, true, &err) == DSC_OK &&
        dsc_safetensors_read(&again, path, NULL, &err) == DSC_OK && again.n != b->n)
        __builtin_trap();
    if (err.status != DSC_OK)
        fuzz_fail(&err);
    dsc_bundle_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct dsc_bundle b = {0};
    struct fuzz_file f;
    struct dsc_err err = {0};
    enum dsc_status st;

    fuzz_file_open(&f, data, n_bytes);
    st = dsc_safetensors_read(&b, f.path, NULL, &err);
    fuzz_check(st, &err);
    if (st == DSC_OK)
        write_again(&b);
    dsc_bundle_clear(&b);
    fuzz_file_close(&f);
    return 0;
}
