/*
 * Rows of arrays: the first bytes choose the types and sizes of x and label, the rest are what they
 * hold. What is accepted is finite, has labels inside the map, and rows of the part.
 */
#include "formats_data.h"
#include "formats_npz.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { CHOICES = 6, SIDE_MAX = 9 };

struct input {
    const uint8_t *data;
    size_t n_bytes;
};

static void check(bool is_true)
{
    if (!is_true)
        __builtin_trap();
}

static bool add(struct dsc_bundle *b, const char *name, enum dsc_dtype dtype, int rank,
                const int64_t *dim, struct input *in)
{
    struct dsc_tensor t;
    bool is_added;

    if (dsc_tensor_new(&t, dtype, rank, dim, NULL) != DSC_OK)
        return false;
    for (size_t i = 0; i < dsc_tensor_n_bytes(&t) && in->n_bytes > 0; i++) {
        ((uint8_t *)t.data)[i] = dtype == DSC_BOOL ? *in->data & 1 : *in->data;
        in->data++;
        in->n_bytes--;
    }
    is_added = dsc_bundle_add(b, name, &t, NULL) == DSC_OK;
    dsc_tensor_clear(&t);
    return is_added;
}

static bool write_file(const char *path, const uint8_t *choice, struct input *in)
{
    static const enum dsc_dtype dtypes[] = {DSC_F32, DSC_F32, DSC_F64, DSC_I64, DSC_BOOL, DSC_U8};
    const int64_t n = choice[0] % SIDE_MAX;
    struct dsc_bundle b;
    bool is_written;

    dsc_bundle_init(&b);
    is_written =
        add(&b, "x", dtypes[choice[1] % 6], choice[2] % 4, (int64_t[]){n, choice[3] % SIDE_MAX, 2},
            in) &&
        (choice[4] % 8 == 7 || add(&b, "label", dtypes[choice[4] % 6], 1 + choice[5] % 8 / 7,
                                   (int64_t[]){n + choice[5] % 16 / 15, 1 + choice[5] % 2}, in));
    is_written = is_written && dsc_npz_write(path, &b, true, NULL) == DSC_OK;
    dsc_bundle_clear(&b);
    return is_written;
}

static void check_rows(const struct dsc_dataset *d)
{
    const struct dsc_tensor *x = d->arrays;
    const int64_t width = dsc_tensor_n_elems(x) / x->dim[0];

    check(d->n > 0 && x->dtype == DSC_F32);
    for (size_t i = 0; i < d->n; i++) {
        check(d->row[i] >= 0 && d->row[i] < x->dim[0]);
        for (int64_t k = 0; k < width; k++) {
            float number; /* at any byte */

            memcpy(&number, (const char *)x->data + (d->row[i] * width + k) * 4, sizeof number);
            check(isfinite(number));
        }
        check(!d->label || (d->label[i] >= 0 && (size_t)d->label[i] < d->n_labels));
        check(!d->value || isfinite(d->value[i]));
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
    if (st == DSC_OK) {
        fuzz_note("rows");
        check_rows(&d);
    }
    fuzz_check(st, &err);
    dsc_dataset_close(&d);
    dsc_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static const struct dsc_row_input inputs[] = {
        {"x", {DSC_F32, DSC_RANK_UNKNOWN, {0}}, .is_optional = false}};
    static const char *const names[] = {"1", "0", "7"};
    const struct dsc_data_spec plain = {.inputs = inputs, .n_inputs = 1};
    const struct dsc_data_spec labelled = {.inputs = inputs,
                                           .n_inputs = 1,
                                           .needs_label = true,
                                           .labels = names,
                                           .n_labels = 3,
                                           .split = {50, 25, 25},
                                           .part = DSC_PART_TRAIN};
    struct input in = {data + CHOICES, n_bytes - CHOICES};
    char folder[128], path[160];

    if (n_bytes < CHOICES)
        return 0;
    fuzz_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/rows.npz", folder);
    if (!write_file(path, data, &in))
        return 0;
    read_as(path, &plain);
    read_as(path, &labelled);
    return 0;
}
