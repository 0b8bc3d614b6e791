/* NumPy archives and, when the bytes begin with \x93, single arrays. */
#include "formats_npz.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <stdio.h>

enum { MAX_BYTES = 64 << 20 };

static void write_again(const struct dsc_bundle *b)
{
    char folder[128], path[160];
    struct dsc_bundle again = {0};
    struct dsc_err err = {0};

    fuzz_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/again.npz", folder);
    if (dsc_npz_write(path, b, true, &err) == DSC_OK &&
        dsc_npz_read(&again, path, 0, &err) == DSC_OK && again.n != b->n)
        __builtin_trap();
    if (err.status != DSC_OK && err.status != DSC_E_USAGE)
        fuzz_fail(&err);
    dsc_bundle_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct dsc_bundle b = {0};
    struct dsc_tensor t = {0};
    struct fuzz_file f;
    struct dsc_err err = {0};
    enum dsc_status st;

    fuzz_file_open(&f, data, n_bytes);
    if (n_bytes && data[0] == 0x93) {
        st = dsc_npy_read(&t, f.path, MAX_BYTES, &err);
        dsc_tensor_clear(&t);
    } else {
        st = dsc_npz_read(&b, f.path, MAX_BYTES, &err);
        if (st == DSC_OK)
            write_again(&b);
    }
    fuzz_check(st, &err);
    dsc_bundle_clear(&b);
    fuzz_file_close(&f);
    return 0;
}
