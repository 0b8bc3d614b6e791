/* HDF5 and Keras files: plain values are inside the file, names ascend, and values can be read. */
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <string.h>

static void load_all(const struct dsc_model *m)
{
    for (int i = 0; i < m->n_stored; i++) {
        struct dsc_err err = {0};
        struct dsc_tensor t;
        const enum dsc_status st = dsc_model_load(m, i, &t, &err);

        fuzz_check(st, &err);
        if (st == DSC_OK && m->stored[i].offset > m->size_bytes)
            __builtin_trap();
        if (i > 0 && strcmp(m->stored[i - 1].name, m->stored[i].name) >= 0)
            __builtin_trap();
        dsc_tensor_clear(&t);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct dsc_model m;
    struct dsc_err err = {0};
    struct fuzz_file f;
    enum dsc_status st;

    if (n_bytes < 8 || (memcmp(data, "\x89HDF", 4) != 0 && memcmp(data, "PK\3\4", 4) != 0))
        return 0;
    fuzz_file_open(&f, data, n_bytes);
    st = dsc_model_open(&m, f.path, NULL, &err);
    fuzz_check(st, &err);
    if (st == DSC_OK) {
        fuzz_note(m.graph ? "opened a graph" : "opened");
        load_all(&m);
    }
    dsc_model_close(&m);
    fuzz_file_close(&f);
    return 0;
}
