/* The label array of an .npz: whole numbers are classes, others values. */
#include "dataset.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum dsc_status dsc_labels_numbered(size_t n, const char *const **names, struct dsc_arena *arena,
                                    struct dsc_err *err)
{
    const char **list;

    DSC_NEW(list, arena, n, err);
    for (size_t i = 0; i < n; i++) {
        list[i] = dsc_arena_printf(arena, err, "%zu", i);
        if (!list[i])
            return DSC_E_MEMORY;
    }
    *names = list;
    return DSC_OK;
}

static bool is_whole(const struct dsc_tensor *t)
{
    const enum dsc_kind kind = dsc_dtype_kind(t->dtype);

    return kind == DSC_KIND_SIGNED || kind == DSC_KIND_UNSIGNED || kind == DSC_KIND_BOOL;
}

static enum dsc_status resolve_values(struct dsc_dataset *d, const struct dsc_tensor *t,
                                      struct dsc_bad *bad, struct dsc_arena *arena,
                                      struct dsc_err *err)
{
    const size_t n = (size_t)t->dim[0];
    double *value;

    DSC_NEW(value, arena, n, err);
    for (size_t i = 0; i < n; i++) {
        char what[64];

        value[i] = dsc_tensor_get_f64(t, (int64_t)i);
        if (isfinite(value[i]))
            continue;
        snprintf(what, sizeof what, "label %g is not a finite number", value[i]);
        dsc_bad_add(bad, DSC_E_NONFINITE, i, 0, 0, what);
    }
    d->value = value;
    return DSC_OK;
}

/* A name of the map that is a whole number. */
struct entry {
    int64_t number;
    int32_t idx;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* Names that are whole numbers are what the labels are called; else a label is a place. */
static enum dsc_status numbers_of_map(const struct dsc_data_spec *spec, struct entry **map,
                                      struct dsc_arena *arena, struct dsc_err *err)
{
    *map = NULL;
    if (spec->n_labels == 0)
        return DSC_OK;
    DSC_NEW(*map, arena, spec->n_labels, err);
    for (size_t i = 0; i < spec->n_labels; i++) {
        char *end, again[32];
        const long long number = strtoll(spec->labels[i], &end, 10);

        snprintf(again, sizeof again, "%lld", number);
        if (strcmp(again, spec->labels[i]) != 0) {
            *map = NULL;
            return DSC_OK;
        }
        (*map)[i] = (struct entry){number, (int32_t)i};
    }
    qsort(*map, spec->n_labels, sizeof **map, compare_entries);
    return DSC_OK;
}

/* Without map and model, as many classes as the labels need. */
static enum dsc_status count_classes(struct dsc_dataset *d, const struct dsc_tensor *t,
                                     const struct dsc_data_spec *spec, struct dsc_err *err)
{
    int64_t top = -1;

    d->n_labels = spec->n_labels ? spec->n_labels : spec->n_classes;
    if (d->n_labels)
        return DSC_OK;
    for (int64_t i = 0; i < t->dim[0]; i++)
        top = dsc_tensor_get_i64(t, i) > top ? dsc_tensor_get_i64(t, i) : top;
    if (top >= DSC_DATA_CLASSES_MAX) {
        dsc_fail(err, DSC_E_RANGE, "label %" PRId64 ": classes are counted from 0 to at most %d",
                 top, DSC_DATA_CLASSES_MAX - 1);
        return dsc_err_hint(err, "--task regress for values");
    }
    d->n_labels = (size_t)(top + 1);
    return DSC_OK;
}

static enum dsc_status name_classes(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                                    struct dsc_arena *arena, struct dsc_err *err)
{
    const char **names;

    if (!spec->labels)
        return dsc_labels_numbered(d->n_labels, &d->label_names, arena, err);
    DSC_NEW(names, arena, d->n_labels, err);
    for (size_t i = 0; i < d->n_labels; i++) {
        names[i] = dsc_arena_strdup(arena, spec->labels[i], err);
        if (!names[i])
            return DSC_E_MEMORY;
    }
    d->label_names = names;
    return DSC_OK;
}

static int32_t class_of(const struct dsc_dataset *d, const struct entry *map, int64_t number)
{
    const struct entry key = {number, 0};
    const struct entry *hit;

    if (!map)
        return number >= 0 && (uint64_t)number < (uint64_t)d->n_labels ? (int32_t)number : -1;
    hit = bsearch(&key, map, d->n_labels, sizeof *map, compare_entries);
    return hit ? hit->idx : -1;
}

static enum dsc_status resolve_classes(struct dsc_dataset *d, const struct dsc_tensor *t,
                                       const struct dsc_data_spec *spec, struct dsc_bad *bad,
                                       struct dsc_arena *arena, struct dsc_err *err)
{
    const size_t n = (size_t)t->dim[0];
    struct entry *map;
    int32_t *label;

    DSC_TRY(count_classes(d, t, spec, err));
    DSC_TRY(numbers_of_map(spec, &map, arena, err));
    DSC_TRY(name_classes(d, spec, arena, err));
    DSC_NEW(label, arena, n, err);
    for (size_t i = 0; i < n; i++) {
        const int64_t number = dsc_tensor_get_i64(t, (int64_t)i);
        char what[64];

        label[i] = class_of(d, map, number);
        if (label[i] >= 0)
            continue;
        snprintf(what, sizeof what, "label %" PRId64 " is not in the label map", number);
        dsc_bad_add(bad, DSC_E_RANGE, i, 0, 0, what);
    }
    d->label = label;
    return DSC_OK;
}

enum dsc_status dsc_labels_from_array(struct dsc_dataset *d, const struct dsc_tensor *t,
                                      const struct dsc_data_spec *spec, struct dsc_bad *bad,
                                      struct dsc_arena *arena, struct dsc_err *err)
{
    char text[160];

    dsc_tensor_text(t, text, sizeof text);
    if (t->rank != 1 && !(t->rank == 2 && t->dim[1] == 1))
        return dsc_fail(err, DSC_E_SHAPE, "the labels are %s, one for each row is needed", text);
    d->target = spec->target != DSC_TARGET_AUTO ? spec->target
                : is_whole(t) || spec->n_labels ? DSC_TARGET_CLASS
                                                : DSC_TARGET_VALUE;
    if (d->target == DSC_TARGET_VALUE)
        return resolve_values(d, t, bad, arena, err);
    if (!is_whole(t)) {
        dsc_fail(err, DSC_E_TYPE, "the labels are %s, classes are whole numbers", text);
        return dsc_err_hint(err, "save them as int64; values need a model that gives values");
    }
    return resolve_classes(d, t, spec, bad, arena, err);
}
