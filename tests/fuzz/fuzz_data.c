/* Rows of text: the same bytes as .tsv, .csv and .jsonl, strict, with bad bytes replaced, split. */
#include "formats_data.h"
#include "formats_text.h"
#include "fuzz.h"
#include "fuzz_file.h"

static void check_rows(const struct dsc_dataset *d)
{
    if (d->n == 0)
        __builtin_trap(); /* EMPTY is an error */
    for (size_t i = 0; i < d->n; i++) {
        if (dsc_utf8_check(d->text[i].data, d->text[i].n_bytes) != d->text[i].n_bytes)
            __builtin_trap();
        if (d->target == DSC_TARGET_CLASS &&
            (d->label[i] < 0 || (size_t)d->label[i] >= d->n_labels))
            __builtin_trap();
    }
}

static void read_as(const char *path, const struct dsc_data_spec *spec)
{
    struct dsc_dataset d = {0};
    struct dsc_arena arena;
    struct dsc_err err = {0};
    enum dsc_status st;

    dsc_arena_init(&arena);
    st = dsc_data_read(&d, path, spec, &arena, &err);
    if (st == DSC_OK)
        check_rows(&d);
    fuzz_check(st, &err);
    dsc_dataset_close(&d);
    dsc_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const char *const formats[] = {"tsv", "csv", "jsonl"};
    static const char *const names[] = {"ham", "spam"};
    struct fuzz_file f;

    fuzz_file_open(&f, data, n_bytes);
    for (int i = 0; i < 3; i++) {
        const struct dsc_data_spec plain = {.format = formats[i]};
        const struct dsc_data_spec labelled = {.format = formats[i],
                                               .encoding_errors = DSC_ENCODING_REPLACE,
                                               .needs_label = true,
                                               .labels = names,
                                               .n_labels = 2,
                                               .split = {50, 25, 25},
                                               .part = DSC_PART_TRAIN};

        read_as(f.path, &plain);
        read_as(f.path, &labelled);
    }
    fuzz_file_close(&f);
    return 0;
}
