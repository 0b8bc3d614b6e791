/* What the names in a pickle stand for: storages, tensors, ordered dicts. */
#include "dsc/checked.h"
#include "model/pickle.h"

#include <string.h>

size_t pk_elem_bytes(const struct pk_storage *s)
{
    return s->dtype ? (size_t)dsc_dtype_bits(s->dtype) / 8 : 1;
}

/* ---- calls ---- */

/* OrderedDict(), or of a list of pairs as Python 2 wrote it. */
static enum dsc_status call_dict(struct pickle *p, const struct pk_list *args, struct pk_value *out)
{
    const struct pk_value *pairs = args->n ? &args->items[0] : NULL;

    out->kind = PK_DICT;
    DSC_NEW(out->as.list, pickle_arena(p), 1, pickle_err(p));
    if (args->n > 1 || (pairs && pairs->kind != PK_LIST))
        return pickle_fail(p, DSC_E_TYPE, "an OrderedDict of other arguments than a list");
    for (size_t i = 0; pairs && i < pairs->as.list->n; i++) {
        const struct pk_value *v = &pairs->as.list->items[i];

        if ((v->kind != PK_LIST && v->kind != PK_TUPLE) || v->as.list->n != 2)
            return pickle_fail(p, DSC_E_TYPE, "an item of an OrderedDict that is no pair");
        for (int k = 0; k < 2; k++)
            DSC_TRY(
                pk_list_add(out->as.list, v->as.list->items[k], pickle_arena(p), pickle_err(p)));
    }
    return DSC_OK;
}

static enum dsc_status call_first(struct pickle *p, const struct pk_list *args,
                                  struct pk_value *out)
{
    if (args->n == 0)
        return pickle_fail(p, DSC_E_TYPE, "a call without arguments");
    *out = args->items[0];
    return DSC_OK;
}

static enum dsc_status call_nothing(struct pickle *p, const struct pk_list *args,
                                    struct pk_value *out)
{
    (void)p;
    (void)args;
    out->kind = PK_NONE;
    return DSC_OK;
}

static enum dsc_status take_sizes(struct pickle *p, const struct pk_value *v, int64_t *dst, int *n)
{
    if (v->kind != PK_TUPLE && v->kind != PK_LIST)
        return pickle_fail(p, DSC_E_TYPE, "a size or stride that is no tuple");
    if (v->as.list->n > DSC_MAX_RANK)
        return pickle_fail(p, DSC_E_LIMIT, "a tensor of %zu axes, at most %d are read",
                           v->as.list->n, DSC_MAX_RANK);
    *n = (int)v->as.list->n;
    for (int i = 0; i < *n; i++) {
        if (v->as.list->items[i].kind != PK_INT)
            return pickle_fail(p, DSC_E_TYPE, "a size or stride that is no integer");
        dst[i] = v->as.list->items[i].as.i;
        if (dst[i] < 0)
            return pickle_fail(p, DSC_E_RANGE, "a size or stride of %lld", (long long)dst[i]);
    }
    return DSC_OK;
}

/* The last element lies in the storage; no element is there more often than the storage has any. */
static enum dsc_status check_extent(struct pickle *p, const struct pk_tensor *t)
{
    const int64_t n_storage = t->storage->n_elems;
    int64_t n, last = t->offset;

    if (dsc_shape_check(t->dtype, t->rank, t->dim, &n, pickle_err(p)) != DSC_OK)
        return dsc_err_where(pickle_err(p), "byte %zu", pickle_at(p));
    if (t->offset < 0)
        return pickle_fail(p, DSC_E_RANGE, "a tensor at %lld of its storage", (long long)t->offset);
    for (int i = 0; i < t->rank && n > 0; i++) {
        int64_t far;

        if (!dsc_mul_i64(t->dim[i] - 1, t->stride[i], &far) || !dsc_add_i64(last, far, &last))
            return pickle_fail(p, DSC_E_OVERFLOW, "strides that do not fit 63 bits");
    }
    if (n > 0 && last >= n_storage)
        return pickle_fail(p, DSC_E_RANGE, "element %lld of a storage of %lld", (long long)last,
                           (long long)n_storage);
    if (n > n_storage)
        return pickle_fail(p, DSC_E_UNSUPPORTED, "a tensor of %lld elements over a storage of %lld",
                           (long long)n, (long long)n_storage);
    return DSC_OK;
}

/* (storage, offset, size, stride, ..) */
static enum dsc_status make_tensor(struct pickle *p, const struct pk_list *args,
                                   enum dsc_dtype dtype, struct pk_value *out)
{
    struct pk_tensor *t;
    int n_strides;

    if (args->n < 4 || args->items[0].kind != PK_STORAGE || args->items[1].kind != PK_INT)
        return pickle_fail(p, DSC_E_TYPE, "a tensor without storage, offset, size and stride");
    DSC_NEW(t, pickle_arena(p), 1, pickle_err(p));
    t->storage = args->items[0].as.storage;
    t->dtype = dtype ? dtype : t->storage->dtype;
    t->offset = args->items[1].as.i;
    t->at = pickle_at(p);
    DSC_TRY(take_sizes(p, &args->items[2], t->dim, &t->rank));
    DSC_TRY(take_sizes(p, &args->items[3], t->stride, &n_strides));
    if (n_strides != t->rank)
        return pickle_fail(p, DSC_E_SHAPE, "%d strides for %d axes", n_strides, t->rank);
    if (!t->dtype)
        return pickle_fail(p, DSC_E_TYPE, "a tensor over bytes, without an element type");
    DSC_TRY(check_extent(p, t));
    out->kind = PK_TENSOR;
    out->as.tensor = t;
    return DSC_OK;
}

static enum dsc_status call_tensor(struct pickle *p, const struct pk_list *args,
                                   struct pk_value *out)
{
    return make_tensor(p, args, DSC_DTYPE_NONE, out);
}

/* (storage of bytes, offset, size, stride, requires_grad, hooks, dtype) */
static enum dsc_status call_tensor_of_type(struct pickle *p, const struct pk_list *args,
                                           struct pk_value *out)
{
    struct pk_storage *s;
    struct pk_list own;
    struct pk_value items[4];
    enum dsc_dtype dtype;

    if (args->n < 7 || args->items[0].kind != PK_STORAGE || args->items[6].kind != PK_GLOBAL)
        return pickle_fail(p, DSC_E_TYPE, "a tensor without its element type");
    dtype = args->items[6].as.global->dtype;
    if (!dtype || args->items[0].as.storage->dtype)
        return pickle_fail(p, DSC_E_TYPE, "a tensor of type %s",
                           args->items[6].as.global->name ? args->items[6].as.global->name : "?");
    DSC_NEW(s, pickle_arena(p), 1, pickle_err(p));
    *s = *args->items[0].as.storage;
    s->dtype = dtype;
    s->n_elems /= dsc_dtype_bits(dtype) / 8;
    memcpy(items, args->items, sizeof items);
    items[0].as.storage = s;
    own = (struct pk_list){.items = items, .n = 4};
    return make_tensor(p, &own, dtype, out);
}

/* ---- names ---- */

static const struct pk_global rows[] = {
#define PK_GLOBAL(module, name, dtype, call) {module, name, DSC_##dtype, call},
#include "model/pickle_globals.def"
#undef PK_GLOBAL
};

/* Any class of a TorchScript archive: its fields are what is read. */
static const struct pk_global script_class = {"__torch__", NULL, DSC_DTYPE_NONE, NULL};

static bool is_text(const struct pk_text *t, const char *text)
{
    return t->n_bytes == strlen(text) && memcmp(t->p, text, t->n_bytes) == 0;
}

const struct pk_global *pk_global_find(const struct pk_text *module, const struct pk_text *name,
                                       bool has_classes)
{
    const size_t n = strlen(script_class.module);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (is_text(module, rows[i].module) && is_text(name, rows[i].name))
            return &rows[i];
    if (has_classes && module->n_bytes >= n && memcmp(module->p, script_class.module, n) == 0 &&
        (module->n_bytes == n || module->p[n] == '.'))
        return &script_class;
    return NULL;
}

enum dsc_status pk_storage_new(struct pickle *p, const struct pk_value *id, struct pk_value *out)
{
    const struct pk_value *v = id->kind == PK_TUPLE ? id->as.list->items : NULL;
    const size_t n = v ? id->as.list->n : 0;
    struct pk_storage *s;

    if (n < 5 || n > 6 || !pk_text_is(&v[0], "storage") || v[1].kind != PK_GLOBAL ||
        v[1].as.global->call || !v[1].as.global->name || v[2].kind != PK_TEXT ||
        v[4].kind != PK_INT)
        return pickle_fail(p, DSC_E_TYPE, "a persistent id that is no storage");
    if (n == 6 && v[5].kind != PK_NONE)
        return pickle_fail(p, DSC_E_UNSUPPORTED, "a storage that is a view of another");
    if (v[4].as.i < 0)
        return pickle_fail(p, DSC_E_RANGE, "a storage of %lld elements", (long long)v[4].as.i);
    DSC_NEW(s, pickle_arena(p), 1, pickle_err(p));
    *s = (struct pk_storage){*v[2].as.text, v[1].as.global->dtype, v[4].as.i, pickle_at(p)};
    out->kind = PK_STORAGE;
    out->as.storage = s;
    return DSC_OK;
}
