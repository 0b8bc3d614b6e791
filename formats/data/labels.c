/* The label column: classes or values, a map that is inferred or given. */
#include "dataset.h"
#include "encoding.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum kind { KIND_NAME, KIND_INTEGER, KIND_REAL, KIND_NONFINITE };

enum { NUMBER_MAX_BYTES = 64 };

static size_t skip_digits(const char *s)
{
    size_t n = 0;

    while (isdigit((unsigned char)s[n]))
        n++;
    return n;
}

/* JSON's numbers with an optional plus. "007" and "1." are names: codes are not quantities. */
static enum kind number_kind(const char *s)
{
    enum kind kind = KIND_INTEGER;
    size_t n;

    s += *s == '-' || *s == '+';
    n = skip_digits(s);
    if (n == 0 || (n > 1 && s[0] == '0'))
        return KIND_NAME;
    s += n;
    if (*s == '.') {
        n = skip_digits(++s);
        if (n == 0)
            return KIND_NAME;
        s += n;
        kind = KIND_REAL;
    }
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        n = skip_digits(s);
        if (n == 0)
            return KIND_NAME;
        s += n;
        kind = KIND_REAL;
    }
    return *s == '\0' ? kind : KIND_NAME;
}

static enum kind label_kind(const struct dsc_text *t, double *value)
{
    char s[NUMBER_MAX_BYTES + 1];
    const char *word = s;
    enum kind kind;

    *value = 0;
    if (t->n_bytes > NUMBER_MAX_BYTES || memchr(t->data, '\0', t->n_bytes))
        return KIND_NAME;
    memcpy(s, t->data, t->n_bytes);
    s[t->n_bytes] = '\0';
    kind = number_kind(s);
    if (kind != KIND_NAME) {
        *value = strtod(s, NULL);
        return isfinite(*value) ? kind : KIND_NONFINITE;
    }
    word += *word == '-' || *word == '+';
    if (strcasecmp(word, "nan") == 0 || strcasecmp(word, "inf") == 0 ||
        strcasecmp(word, "infinity") == 0)
        return KIND_NONFINITE;
    return KIND_NAME;
}

/*
 * All whole numbers: classes. Numbers of which one has a fraction or exponent: values. Whole
 * numbers and "nan": values too, so that the missing labels are reported instead of being a class.
 */
static enum dsc_target infer_target(const struct dsc_raw *raw, bool *is_numeric)
{
    size_t n[4] = {0};
    double v;

    for (size_t i = 0; i < raw->n; i++)
        n[label_kind(&raw->label[i], &v)]++;
    *is_numeric = n[KIND_NAME] + n[KIND_NONFINITE] == 0;
    if (n[KIND_NAME] == 0 && (n[KIND_REAL] > 0 || (n[KIND_INTEGER] > 0 && n[KIND_NONFINITE] > 0)))
        return DSC_TARGET_VALUE;
    return DSC_TARGET_CLASS;
}

static void add_bad(struct dsc_bad *bad, const struct dsc_raw *raw, size_t i, enum dsc_status s,
                    const char *what)
{
    dsc_bad_add(bad, s, (size_t)raw->row[i] + 1, raw->line[i], raw->begin[i], what);
}

static enum dsc_status resolve_values(struct dsc_dataset *d, const struct dsc_raw *raw,
                                      struct dsc_bad *bad, struct dsc_arena *arena,
                                      struct dsc_err *err)
{
    double *value;

    DSC_NEW(value, arena, raw->n, err);
    for (size_t i = 0; i < raw->n; i++) {
        const enum kind kind = label_kind(&raw->label[i], &value[i]);
        char quoted[192], what[256];

        if (kind == KIND_INTEGER || kind == KIND_REAL)
            continue;
        dsc_quote_for_message(quoted, raw->label[i].data, raw->label[i].n_bytes);
        snprintf(what, sizeof what, "label %s is not a %snumber", quoted,
                 kind == KIND_NONFINITE ? "finite " : "");
        add_bad(bad, raw, i, kind == KIND_NONFINITE ? DSC_E_NONFINITE : DSC_E_SCHEMA, what);
    }
    d->value = value;
    return DSC_OK;
}

/* A name of the map with its index, for sorting and searching. */
struct entry {
    struct dsc_text name;
    double number; /* 0 unless the map is sorted numerically */
    int32_t idx;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->number < y->number || x->number > y->number)
        return x->number < y->number ? -1 : 1;
    return dsc_text_compare(&x->name, &y->name);
}

static enum dsc_status infer_map(struct dsc_dataset *d, const struct dsc_raw *raw, bool is_numeric,
                                 struct entry **map, struct dsc_arena *arena, struct dsc_err *err)
{
    struct entry *all = dsc_heap_alloc(raw->n, sizeof *all, err);
    const char **names;
    size_t n = 0;
    enum dsc_status st = DSC_OK;

    *map = all;
    if (!all)
        return DSC_E_MEMORY;
    for (size_t i = 0; i < raw->n; i++) {
        all[i].name = raw->label[i];
        if (is_numeric)
            label_kind(&raw->label[i], &all[i].number);
    }
    qsort(all, raw->n, sizeof *all, compare_entries);
    for (size_t i = 0; i < raw->n; i++)
        if (n == 0 || compare_entries(&all[n - 1], &all[i]) != 0)
            all[n++] = all[i];
    if (n > INT32_MAX)
        return dsc_fail(err, DSC_E_LIMIT, "%zu different labels", n);
    names = dsc_arena_alloc(arena, n, sizeof *names, err);
    for (size_t i = 0; names && i < n; i++) {
        all[i].idx = (int32_t)i;
        names[i] = dsc_arena_strndup(arena, all[i].name.data, all[i].name.n_bytes, err);
        if (!names[i])
            st = DSC_E_MEMORY;
    }
    d->label_names = names;
    d->n_labels = n;
    return names ? st : DSC_E_MEMORY;
}

static enum dsc_status given_map(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                                 struct entry **map, struct dsc_arena *arena, struct dsc_err *err)
{
    struct entry *all = dsc_heap_alloc(spec->n_labels, sizeof *all, err);
    const char **names;

    *map = all;
    if (!all)
        return DSC_E_MEMORY;
    DSC_NEW(names, arena, spec->n_labels, err);
    for (size_t i = 0; i < spec->n_labels; i++) {
        all[i].name = (struct dsc_text){spec->labels[i], strlen(spec->labels[i])};
        all[i].idx = (int32_t)i;
        names[i] = dsc_arena_strdup(arena, spec->labels[i], err);
        if (!names[i])
            return DSC_E_MEMORY;
    }
    qsort(all, spec->n_labels, sizeof *all, compare_entries);
    d->label_names = names;
    d->n_labels = spec->n_labels;
    return DSC_OK;
}

/* LABEL_0 LABEL_1 ..: what Hugging Face writes where nobody named the classes. */
static bool is_placeholder_map(const struct dsc_data_spec *spec)
{
    char name[32];

    for (size_t i = 0; i < spec->n_labels; i++) {
        snprintf(name, sizeof name, "LABEL_%zu", i);
        if (strcmp(name, spec->labels[i]) != 0)
            return false;
    }
    return spec->n_labels > 0;
}

static int32_t find_label(const struct dsc_dataset *d, const struct entry *map,
                          const struct dsc_text *label, bool is_numeric, bool is_placeholder)
{
    struct entry key = {.name = *label};
    const struct entry *hit;
    double number;
    const enum kind kind = label_kind(label, &number);

    if (is_numeric)
        key.number = number;
    if (is_placeholder && kind == KIND_INTEGER)
        return number >= 0 && number < (double)d->n_labels ? (int32_t)number : -1;
    hit = bsearch(&key, map, d->n_labels, sizeof *map, compare_entries);
    return hit ? hit->idx : -1;
}

static enum dsc_status resolve_classes(struct dsc_dataset *d, const struct dsc_raw *raw,
                                       const struct dsc_data_spec *spec, bool is_numeric,
                                       struct dsc_bad *bad, struct dsc_arena *arena,
                                       struct dsc_err *err)
{
    const bool is_placeholder = is_placeholder_map(spec);
    struct entry *map = NULL;
    int32_t *label;
    enum dsc_status st;

    if (spec->labels)
        st = given_map(d, spec, &map, arena, err);
    else
        st = infer_map(d, raw, is_numeric, &map, arena, err);
    label = st == DSC_OK ? dsc_arena_alloc(arena, raw->n, sizeof *label, err) : NULL;
    if (st == DSC_OK && !label)
        st = DSC_E_MEMORY;
    for (size_t i = 0; st == DSC_OK && i < raw->n; i++) {
        const struct dsc_text *t = &raw->label[i];
        char quoted[192], what[256];

        label[i] = find_label(d, map, t, is_numeric && !spec->labels, is_placeholder);
        if (label[i] >= 0)
            continue;
        snprintf(what, sizeof what, "label %s is not in the label map",
                 dsc_quote_for_message(quoted, t->data, t->n_bytes));
        add_bad(bad, raw, i, DSC_E_RANGE, what);
    }
    d->label = label;
    dsc_heap_free(map);
    return st;
}

/* Are all labels numbers of the model's classes? */
static bool are_class_numbers(const struct dsc_raw *raw, size_t n_classes)
{
    for (size_t i = 0; i < raw->n; i++) {
        double v;

        if (label_kind(&raw->label[i], &v) != KIND_INTEGER || v < 0 || v >= (double)n_classes)
            return false;
    }
    return true;
}

/* Classes of a model without names: by their numbers, or by the order of as many names. */
static enum dsc_status resolve_unnamed(struct dsc_dataset *d, const struct dsc_raw *raw,
                                       const struct dsc_data_spec *spec, bool is_numeric,
                                       struct dsc_bad *bad, struct dsc_arena *arena,
                                       struct dsc_err *err)
{
    struct dsc_data_spec numbered = *spec;

    if (are_class_numbers(raw, spec->n_classes)) {
        DSC_TRY(dsc_labels_numbered(spec->n_classes, &numbered.labels, arena, err));
        numbered.n_labels = spec->n_classes;
        return resolve_classes(d, raw, &numbered, is_numeric, bad, arena, err);
    }
    DSC_TRY(resolve_classes(d, raw, spec, is_numeric, bad, arena, err));
    if (d->n_labels == spec->n_classes)
        return DSC_OK;
    dsc_fail(err, DSC_E_INCONSISTENT,
             "the labels name %zu classes, the model has %zu and no names for them", d->n_labels,
             spec->n_classes);
    return dsc_err_hint(err, "which class is which? label them 0 to %zu", spec->n_classes - 1);
}

enum dsc_status dsc_labels_resolve(struct dsc_dataset *d, const struct dsc_raw *raw,
                                   const struct dsc_data_spec *spec, struct dsc_bad *bad,
                                   struct dsc_arena *arena, struct dsc_err *err)
{
    bool is_numeric = false;
    enum dsc_target inferred;

    d->target = DSC_TARGET_NONE;
    if (!raw->has_label)
        return DSC_OK;
    inferred = infer_target(raw, &is_numeric);
    d->target = spec->target != DSC_TARGET_AUTO ? spec->target
                : spec->labels                  ? DSC_TARGET_CLASS
                                                : inferred;
    if (d->target == DSC_TARGET_VALUE)
        return resolve_values(d, raw, bad, arena, err);
    if (!spec->labels && spec->n_classes)
        return resolve_unnamed(d, raw, spec, is_numeric, bad, arena, err);
    return resolve_classes(d, raw, spec, is_numeric, bad, arena, err);
}
