/* Splits by a hash of the text: the same text falls into the same part in any file and order. */
#include "dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum dsc_status dsc_split_parse(const char *text, struct dsc_split *split, struct dsc_err *err)
{
    struct dsc_split s = {0};
    int n_read = 0;

    if (sscanf(text, "%3d/%3d/%3d%n", &s.train, &s.dev, &s.test, &n_read) != 3 ||
        text[n_read] != '\0' || s.train < 0 || s.dev < 0 || s.test < 0 ||
        s.train + s.dev + s.test != 100) {
        dsc_fail(err, DSC_E_USAGE, "split '%s' is not three percentages that sum to 100", text);
        dsc_err_hint(err, "--split 70/10/20 is train/dev/test");
        return DSC_E_USAGE;
    }
    *split = s;
    return DSC_OK;
}

enum dsc_status dsc_part_parse(const char *text, enum dsc_part *part, struct dsc_err *err)
{
    static const char *const names[] = {NULL, "train", "dev", "test"};

    for (int i = 1; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            *part = (enum dsc_part)i;
            return DSC_OK;
        }
    }
    return dsc_fail(err, DSC_E_USAGE, "no part '%s': train, dev or test", text);
}

enum dsc_part dsc_split_part(const struct dsc_split *split, const void *text, size_t n_bytes)
{
    struct dsc_sha256 h;
    char hex[65];
    int bucket;

    dsc_sha256_init(&h);
    dsc_sha256_add(&h, text, n_bytes);
    dsc_sha256_hex(&h, hex);
    hex[8] = '\0';
    bucket = (int)(strtoul(hex, NULL, 16) % 100);
    return bucket < split->train                ? DSC_PART_TRAIN
           : bucket < split->train + split->dev ? DSC_PART_DEV
                                                : DSC_PART_TEST;
}

int dsc_text_compare(const struct dsc_text *a, const struct dsc_text *b)
{
    const size_t n = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
    const int c = n ? memcmp(a->data, b->data, n) : 0;

    return c ? c : (a->n_bytes > b->n_bytes) - (a->n_bytes < b->n_bytes);
}

static int compare_texts(const struct dsc_raw *raw, size_t i, size_t j)
{
    const int c = dsc_text_compare(&raw->text[i], &raw->text[j]);

    return c || !raw->has_text_b ? c : dsc_text_compare(&raw->text_b[i], &raw->text_b[j]);
}

static int compare_rows(const void *a, const void *b, void *ctx)
{
    const size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const int c = compare_texts(ctx, i, j);

    return c ? c : (i > j) - (i < j); /* the first occurrence leads its group */
}

/* Sorting instead of hashing: exact, and no input can make it slow. */
static enum dsc_status drop_duplicates(struct dsc_dataset *d, const struct dsc_raw *raw,
                                       unsigned char *keep, struct dsc_err *err)
{
    size_t *order = dsc_heap_alloc(raw->n, sizeof *order, err);
    size_t first = 0;

    if (!order)
        return DSC_E_MEMORY;
    for (size_t i = 0; i < raw->n; i++)
        order[i] = i;
    qsort_r(order, raw->n, sizeof *order, compare_rows, (void *)(uintptr_t)raw);
    for (size_t i = 1; i < raw->n; i++) {
        const size_t a = order[first], b = order[i];

        if (compare_texts(raw, a, b) != 0) {
            first = i;
            continue;
        }
        keep[b] = 0;
        d->report.n_duplicates++;
        if (raw->has_label && dsc_text_compare(&raw->label[a], &raw->label[b]) != 0)
            d->report.n_conflicts++;
    }
    dsc_heap_free(order);
    return DSC_OK;
}

enum dsc_status dsc_split_mark(struct dsc_dataset *d, const struct dsc_raw *raw,
                               const struct dsc_data_spec *spec, unsigned char *keep,
                               struct dsc_err *err)
{
    memset(keep, 1, raw->n);
    DSC_TRY(drop_duplicates(d, raw, keep, err));
    for (size_t i = 0; i < raw->n; i++) {
        const struct dsc_text *t = &raw->text[i];

        if (!keep[i] || spec->part == DSC_PART_ALL ||
            dsc_split_part(&spec->split, t->data, t->n_bytes) == spec->part)
            continue;
        keep[i] = 0;
        d->report.n_other_parts++;
    }
    return DSC_OK;
}
