/* NumPy archives and, when the bytes begin with \x93, single arrays. */
#include "formats_npz.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <stdio.h>
#include <string.h>

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

/* Seen where they lie, arrays are what they are when they are copied. */
static void view(const struct dsc_bundle *b, const uint8_t *data, size_t n_bytes)
{
    struct dsc_bundle seen = {0};
    struct dsc_err err = {0};
    const enum dsc_status st = dsc_npz_view_bytes(&seen, data, n_bytes, MAX_BYTES, &err);

    fuzz_check(st, &err);
    for (int i = 0; st == DSC_OK && i < b->n; i++) {
        const struct dsc_tensor *x = &b->items[i].tensor, *y = &seen.items[i].tensor;

        if (seen.n != b->n || !dsc_tensor_same_shape(x, y) || x->dtype != y->dtype ||
            memcmp(x->data, y->data, dsc_tensor_n_bytes(x)) != 0)
            __builtin_trap();
    }
    dsc_bundle_clear(&seen);
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
        view(&b, data, n_bytes);
    }
    fuzz_check(st, &err);
    dsc_bundle_clear(&b);
    fuzz_file_close(&f);
    return 0;
}
