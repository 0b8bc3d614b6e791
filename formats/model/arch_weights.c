/*
 * Weights of a file of tensors onto a graph that has others: initializers are matched by name,
 * where one side may have a prefix ("state_dict.", "bert.") that the other has not.
 */
#include "model/arch_weights.h"

#include "dsc/census.h"
#include "dsc/io.h"
#include "formats_props.h"
#include "model/shards.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 20, TRIED_MAX = 16, TEXT_BYTES = 128 };

/* A tensor's name for an initializer's: without the first `cut` bytes, behind `add`. */
struct rename {
    const char *add;
    size_t n_add, cut;
};

struct match {
    struct dsc_graph *g;
    const struct dsc_model *file;
    const struct dsc_log *log;
    struct dsc_arena tmp;
    bool *is_param; /* [g->n_values] */
    bool *is_used;  /* [n tensors] */
    int *order;     /* initializers that must have a tensor */
    int n_order;
    struct dsc_bytes missing, other;
    int n_missing, n_other, n_kept; /* kept: constants without a tensor */
    struct dsc_err *err;
};

static int n_tensors(const struct dsc_model *m)
{
    return m->stored ? m->n_stored : m->tensors.n;
}

static const char *name_of(const struct dsc_model *m, int i)
{
    return m->stored ? m->stored[i].name : m->tensors.items[i].name;
}

/* Both lists are sorted; add is in front of name without its first cut bytes. */
static int find(const struct match *w, const struct rename *r, const char *name)
{
    int lo = 0, hi = n_tensors(w->file);

    if (strlen(name) < r->cut)
        return -1;
    name += r->cut;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const char *other = name_of(w->file, mid);
        int order = strncmp(r->add, other, r->n_add);

        if (order == 0)
            order = strcmp(name, other + r->n_add);
        if (order == 0)
            return mid;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return -1;
}

static int count(const struct match *w, const struct rename *r)
{
    int n = 0;

    for (int i = 0; i < w->n_order; i++)
        n += find(w, r, w->g->values[w->order[i]].name) >= 0;
    return n;
}

static bool is_separator(char c)
{
    return c == '.' || c == '/';
}

/* What one name has in front of the other, up to a dot or a slash. */
static bool rename_between(const char *name, const char *other, struct rename *r)
{
    const size_t n = strlen(name), n_other = strlen(other);

    *r = (struct rename){"", 0, 0};
    if (n_other > n && is_separator(other[n_other - n - 1]) &&
        strcmp(other + n_other - n, name) == 0) {
        r->add = other;
        r->n_add = n_other - n;
        return true;
    }
    if (n > n_other && is_separator(name[n - n_other - 1]) &&
        strcmp(name + n - n_other, other) == 0) {
        r->cut = n - n_other;
        return true;
    }
    return false;
}

/* The prefix by which most names are found; the first of equals, and none before all others. */
static struct rename choose_rename(const struct match *w)
{
    struct rename best = {"", 0, 0}, r;
    int n_best = count(w, &best);

    for (int i = 0; i < w->n_order && i < TRIED_MAX && n_best < w->n_order; i++)
        for (int k = 0; k < n_tensors(w->file); k++) {
            int n;

            if (!rename_between(w->g->values[w->order[i]].name, name_of(w->file, k), &r))
                continue;
            n = count(w, &r);
            if (n > n_best) {
                best = r;
                n_best = n;
            }
        }
    return best;
}

static enum dsc_status load(const struct match *w, int idx, struct dsc_tensor *t)
{
    if (w->file->stored)
        return dsc_model_load(w->file, idx, t, w->err);
    dsc_tensor_ref(t, &w->file->tensors.items[idx].tensor);
    return DSC_OK;
}

static enum dsc_status as_type(const struct match *w, enum dsc_dtype dtype, struct dsc_tensor *t)
{
    struct dsc_tensor own;

    if (t->dtype == dtype)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&own, dtype, t->rank, t->dim, w->err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        dsc_tensor_set_f64(&own, i, dsc_tensor_get_f64(t, i));
    dsc_tensor_clear(t);
    *t = own;
    return DSC_OK;
}

static void note(struct dsc_bytes *b, int *n, const char *name, const char *more)
{
    if ((*n)++ < SHOWN_MAX)
        dsc_bytes_printf(b, "%s'%.64s'%s", *n > 1 ? ", " : "", name, more);
    else if (*n == SHOWN_MAX + 1)
        dsc_bytes_text(b, " ..");
}

static enum dsc_status put(struct match *w, int value, const struct rename *r)
{
    const struct dsc_value *v = &w->g->values[value];
    const int idx = find(w, r, v->name);
    char text[2][TEXT_BYTES], why[2 * TEXT_BYTES + 16];
    struct dsc_tensor t;
    enum dsc_status st;

    if (idx < 0 && v->is_constant) {
        w->n_kept++;
        return DSC_OK;
    }
    if (idx < 0) {
        note(&w->missing, &w->n_missing, v->name, "");
        return DSC_OK;
    }
    w->is_used[idx] = true;
    DSC_TRY(load(w, idx, &t));
    if (!dsc_tensor_same_shape(&t, &v->init) ||
        (t.dtype != v->init.dtype &&
         !(dsc_dtype_is_float(t.dtype) && dsc_dtype_is_float(v->init.dtype)))) {
        snprintf(why, sizeof why, " (%s, not %s)", dsc_tensor_text(&t, text[0], TEXT_BYTES),
                 dsc_tensor_text(&v->init, text[1], TEXT_BYTES));
        note(&w->other, &w->n_other, v->name, why);
        dsc_tensor_clear(&t);
        return DSC_OK;
    }
    st = as_type(w, v->init.dtype, &t);
    if (st == DSC_OK)
        st = dsc_graph_set_init(w->g, value, &t, w->err);
    dsc_tensor_clear(&t);
    return st;
}

/* Both kinds of mismatch at once. */
static enum dsc_status report(struct match *w)
{
    int n_left = 0;

    for (int i = 0; i < n_tensors(w->file); i++)
        n_left += !w->is_used[i];
    if (w->n_missing + w->n_other == 0) {
        if (w->n_kept > 0)
            dsc_log_printf(w->log, DSC_LOG_INFO,
                           "%d constants of the architecture stay as they are", w->n_kept);
        if (n_left > 0)
            dsc_log_printf(w->log, DSC_LOG_WARNING,
                           "%d of %d tensors have no place in the architecture", n_left,
                           n_tensors(w->file));
        return DSC_OK;
    }
    dsc_bytes_text(&w->missing, "");
    dsc_fail(w->err, DSC_E_INCONSISTENT,
             "%d weights of the architecture have no tensor%s%.*s%s%.*s", w->n_missing,
             w->n_missing ? ": " : "", (int)w->missing.n_bytes,
             w->missing.data ? (const char *)w->missing.data : "",
             w->n_other ? "; of other shapes or types: " : "", (int)w->other.n_bytes,
             w->other.data ? (const char *)w->other.data : "");
    return dsc_err_hint(w->err, "names have to be the module's: exporters may rename weights, a "
                                "folder with its config.json does not");
}

/* Numbers that a model learns: what has one element may be a constant of the graph. */
static enum dsc_status list_params(struct match *w)
{
    DSC_NEW(w->is_param, &w->tmp, w->g->n_values + 1, w->err);
    DSC_NEW(w->order, &w->tmp, w->g->n_values + 1, w->err);
    DSC_NEW(w->is_used, &w->tmp, n_tensors(w->file) + 1, w->err);
    dsc_graph_mark_params(w->g, w->is_param);
    for (int i = 0; i < w->g->n_values; i++) {
        const struct dsc_value *v = &w->g->values[i];

        if (dsc_tensor_is_present(&v->init) && v->n_uses > 0 && w->is_param[i] &&
            dsc_tensor_n_elems(&v->init) > 1)
            w->order[w->n_order++] = i;
    }
    return w->n_order ? DSC_OK
                      : dsc_fail(w->err, DSC_E_UNSUPPORTED, "the architecture has no weights");
}

static enum dsc_status put_all(struct match *w)
{
    struct rename r;

    DSC_TRY(list_params(w));
    r = choose_rename(w);
    for (int i = 0; i < w->n_order; i++)
        DSC_TRY(put(w, w->order[i], &r));
    for (int i = 0; i < w->g->n_values; i++) { /* one element: where there is one */
        const struct dsc_value *v = &w->g->values[i];

        if (dsc_tensor_is_present(&v->init) && v->n_uses > 0 && w->is_param[i] &&
            dsc_tensor_n_elems(&v->init) == 1 && find(w, &r, v->name) >= 0)
            DSC_TRY(put(w, i, &r));
    }
    DSC_TRY(report(w));
    /* what is said of the weights that were there */
    DSC_TRY(dsc_graph_set_prop(w->g, DSC_PROP_PROVENANCE, NULL, w->err));
    return dsc_graph_set_prop(w->g, DSC_PROP_SPARSITY, NULL, w->err);
}

enum dsc_status arch_put_weights(struct dsc_graph *g, const char *path, const struct dsc_log *log,
                                 struct dsc_err *err)
{
    struct dsc_model file;
    struct match w = {.g = g, .file = &file, .log = log, .err = err};
    enum dsc_status st;

    DSC_TRY(arch_open_weights(&file, path, err));
    dsc_arena_init(&w.tmp);
    st = put_all(&w);
    if (st != DSC_OK)
        dsc_err_file(err, path);
    dsc_bytes_clear(&w.missing);
    dsc_bytes_clear(&w.other);
    dsc_arena_clear(&w.tmp);
    dsc_model_close(&file);
    return st;
}

enum dsc_status arch_open_weights(struct dsc_model *m, const char *path, struct dsc_err *err)
{
    DSC_TRY(dsc_model_open(m, path, NULL, err));
    if (!m->graph)
        return DSC_OK;
    dsc_model_close(m);
    dsc_fail(err, DSC_E_UNSUPPORTED,
             "a model with a graph of its own: weights come from a file of "
             "tensors");
    return dsc_err_file(err, path);
}

/* Of one file; what is there already stays. */
static enum dsc_status add_file(struct dsc_bundle *b, const char *path, uint64_t *size_bytes,
                                struct dsc_err *err)
{
    struct dsc_model m;
    enum dsc_status st = DSC_OK;

    DSC_TRY(arch_open_weights(&m, path, err));
    *size_bytes += m.size_bytes;
    for (int i = 0; i < n_tensors(&m) && st == DSC_OK; i++) {
        struct dsc_tensor t = {0};

        if (m.stored)
            st = dsc_model_load(&m, i, &t, err);
        else
            dsc_tensor_ref(&t, &m.tensors.items[i].tensor);
        if (st == DSC_OK)
            st = dsc_bundle_add(b, name_of(&m, i), &t, err);
        dsc_tensor_clear(&t);
    }
    dsc_model_close(&m);
    return st == DSC_OK ? DSC_OK : dsc_err_file(err, path);
}

enum dsc_status arch_read_weights(struct dsc_bundle *b, const char *path, uint64_t *size_bytes,
                                  struct dsc_err *err)
{
    static const char index[] = ".bin.index.json";
    const size_t n = strlen(path);

    if (n >= sizeof index - 1 && strcmp(path + n - (sizeof index - 1), index) == 0)
        return shards_read(b, path, add_file, size_bytes, err);
    DSC_TRY(add_file(b, path, size_bytes, err));
    return dsc_bundle_sort(b, err);
}
