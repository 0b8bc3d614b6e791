/* Splits by a hash of the row: the same text, or the same arrays, fall into the same part in any
 * file and order. */
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

static enum dsc_part part_of(const struct dsc_split *split, struct dsc_sha256 *h)
{
    char hex[65];
    int bucket;

    dsc_sha256_hex(h, hex);
    hex[8] = '\0';
    bucket = (int)(strtoul(hex, NULL, 16) % 100);
    return bucket < split->train                ? DSC_PART_TRAIN
           : bucket < split->train + split->dev ? DSC_PART_DEV
                                                : DSC_PART_TEST;
}

enum dsc_part dsc_split_part(const struct dsc_split *split, const void *text, size_t n_bytes)
{
    struct dsc_sha256 h;

    dsc_sha256_init(&h);
    dsc_sha256_add(&h, text, n_bytes);
    return part_of(split, &h);
}

int dsc_text_compare(const struct dsc_text *a, const struct dsc_text *b)
{
    const size_t n = a->n_bytes < b->n_bytes ? a->n_bytes : b->n_bytes;
    const int c = n ? memcmp(a->data, b->data, n) : 0;

    return c ? c : (a->n_bytes > b->n_bytes) - (a->n_bytes < b->n_bytes);
}

static int compare_rows(const void *a, const void *b, void *ctx)
{
    const struct dsc_split_rows *rows = ctx;
    const size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const int c = rows->compare(rows->ctx, i, j);

    return c ? c : (i > j) - (i < j); /* the first occurrence leads its group */
}

/* Sorting instead of hashing: exact, and no input can make it slow. */
static enum dsc_status drop_duplicates(struct dsc_dataset *d, const struct dsc_split_rows *rows,
                                       unsigned char *keep, struct dsc_err *err)
{
    size_t *order = dsc_heap_alloc(rows->n, sizeof *order, err);
    size_t first = 0;

    if (!order)
        return DSC_E_MEMORY;
    for (size_t i = 0; i < rows->n; i++)
        order[i] = i;
    qsort_r(order, rows->n, sizeof *order, compare_rows, (void *)(uintptr_t)rows);
    for (size_t i = 1; i < rows->n; i++) {
        const size_t a = order[first], b = order[i];

        if (rows->compare(rows->ctx, a, b) != 0) {
            first = i;
            continue;
        }
        keep[b] = 0;
        d->report.n_duplicates++;
        d->report.n_conflicts += rows->conflicts(rows->ctx, a, b);
    }
    dsc_heap_free(order);
    return DSC_OK;
}

enum dsc_status dsc_split_mark(struct dsc_dataset *d, const struct dsc_split_rows *rows,
                               const struct dsc_data_spec *spec, unsigned char *keep,
                               struct dsc_err *err)
{
    memset(keep, 1, rows->n);
    DSC_TRY(drop_duplicates(d, rows, keep, err));
    for (size_t i = 0; i < rows->n && spec->part != DSC_PART_ALL; i++) {
        struct dsc_sha256 h;

        if (!keep[i])
            continue;
        dsc_sha256_init(&h);
        rows->hash(rows->ctx, i, &h);
        if (part_of(&spec->split, &h) == spec->part)
            continue;
        keep[i] = 0;
        d->report.n_other_parts++;
    }
    return DSC_OK;
}

/* ---- texts ---- */

static int compare_texts(const void *ctx, size_t i, size_t j)
{
    const struct dsc_raw *raw = ctx;
    const int c = dsc_text_compare(&raw->text[i], &raw->text[j]);

    return c || !raw->has_text_b ? c : dsc_text_compare(&raw->text_b[i], &raw->text_b[j]);
}

static void hash_text(const void *ctx, size_t i, struct dsc_sha256 *h)
{
    const struct dsc_raw *raw = ctx;

    dsc_sha256_add(h, raw->text[i].data, raw->text[i].n_bytes);
}

static bool texts_conflict(const void *ctx, size_t i, size_t j)
{
    const struct dsc_raw *raw = ctx;

    return raw->has_label && dsc_text_compare(&raw->label[i], &raw->label[j]) != 0;
}

enum dsc_status dsc_split_texts(struct dsc_dataset *d, const struct dsc_raw *raw,
                                const struct dsc_data_spec *spec, unsigned char *keep,
                                struct dsc_err *err)
{
    const struct dsc_split_rows rows = {.n = raw->n,
                                        .compare = compare_texts,
                                        .hash = hash_text,
                                        .conflicts = texts_conflict,
                                        .ctx = raw};

    return dsc_split_mark(d, &rows, spec, keep, err);
}
