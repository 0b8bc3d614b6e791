/* config.json of a Hugging Face folder, beside sound weights and a vocabulary. */
#include "dsc/io.h"
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <stdio.h>
#include <stdlib.h>

/* The weights of the smallest golden model. */
static void copy_weights(const char *folder)
{
    static const char *const names[] = {"model.safetensors", "vocab.txt"};
    const char *golden = getenv("GOLDEN");

    for (int i = 0; i < 2; i++) {
        char path[512];
        struct dsc_file f;

        snprintf(path, sizeof path, "%s/hf/bert/cls/%s", golden ? golden : "tests/golden",
                 names[i]);
        if (dsc_file_open(&f, path, 0, NULL) != DSC_OK) {
            fprintf(stderr, "%s is missing: set GOLDEN\n", path);
            exit(66);
        }
        fuzz_put(folder, names[i], f.data, f.n_bytes);
        dsc_file_close(&f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static char folder[128];
    struct dsc_model m;
    struct dsc_err err = {0};
    enum dsc_status st;

    if (!folder[0]) {
        fuzz_folder(folder, sizeof folder);
        copy_weights(folder);
    }
    fuzz_put(folder, "config.json", data, n_bytes);
    st = dsc_model_open_graph(&m, folder, NULL, &err);
    fuzz_check(st, &err);
    if (st == DSC_OK) {
        fuzz_note("opened");
        dsc_model_close(&m);
    }
    return 0;
}
