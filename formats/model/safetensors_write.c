/*
 * Writing safetensors: header sorted by name, bytes laid out from wide to narrow element types,
 * so that every tensor is aligned without a hole.
 */
#include "dsc/io.h"
#include "formats_model.h"
#include "model/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ST_WRITE_ALIGN = 8 };

struct slot {
    const struct dsc_stored *item;
    int idx;
    uint64_t begin;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct slot *)a)->item->name, ((const struct slot *)b)->item->name);
}

static int by_width(const void *a, const void *b)
{
    const int wa = dsc_dtype_bits(((const struct slot *)a)->item->dtype);
    const int wb = dsc_dtype_bits(((const struct slot *)b)->item->dtype);

    return wa != wb ? wb - wa : by_name(a, b);
}

static int append(const char *text, size_t n_bytes, void *ctx)
{
    dsc_bytes_add(ctx, text, n_bytes);
    return 0;
}

static void add_json_text(struct dsc_bytes *h, const char *text)
{
    json_t *j = json_string(text);

    if (!j || json_dump_callback(j, append, h, JSON_ENCODE_ANY) != 0)
        h->is_failed = true;
    json_decref(j);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct dsc_bundle_meta *)a)->key,
                  ((const struct dsc_bundle_meta *)b)->key);
}

static enum dsc_status add_meta(struct dsc_bytes *h, const struct dsc_tensor_source *src,
                                struct dsc_err *err)
{
    struct dsc_bundle_meta *all = dsc_heap_alloc((size_t)src->n_meta + 1, sizeof *all, err);
    bool has_format = false;
    int n = 0;

    if (!all)
        return DSC_E_MEMORY;
    for (int i = 0; i < src->n_meta; i++) {
        has_format |= strcmp(src->meta[i].key, "format") == 0;
        all[n++] = src->meta[i];
    }
    if (!has_format)
        all[n++] = (struct dsc_bundle_meta){"format", "pt"};
    qsort(all, (size_t)n, sizeof *all, by_key);
    dsc_bytes_text(h, "{\"__metadata__\":{");
    for (int i = 0; i < n; i++) {
        dsc_bytes_text(h, i ? "," : "");
        add_json_text(h, all[i].key);
        dsc_bytes_text(h, ":");
        add_json_text(h, all[i].value);
    }
    dsc_bytes_text(h, "}");
    dsc_heap_free(all);
    return DSC_OK;
}

static uint64_t bytes_of(const struct dsc_stored *s)
{
    int64_t n = 1;

    for (int i = 0; i < s->rank; i++)
        n *= s->dim[i];
    return dsc_dtype_bytes(s->dtype, n);
}

static void add_entry(struct dsc_bytes *h, const struct slot *s)
{
    dsc_bytes_text(h, ",");
    add_json_text(h, s->item->name);
    dsc_bytes_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", st_dtype_text(s->item->dtype));
    for (int i = 0; i < s->item->rank; i++)
        dsc_bytes_printf(h, "%s%" PRId64, i ? "," : "", s->item->dim[i]);
    dsc_bytes_printf(h, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", s->begin,
                     s->begin + bytes_of(s->item));
}

/* Places first (wide to narrow), then the header by name. */
static enum dsc_status make_header(struct dsc_bytes *h, const struct dsc_tensor_source *src,
                                   struct slot *slots, struct dsc_err *err)
{
    const size_t n = (size_t)src->n;
    uint64_t at = 0;

    for (int i = 0; i < src->n; i++) {
        slots[i].item = &src->items[i];
        slots[i].idx = i;
        if (!st_dtype_text(src->items[i].dtype))
            return dsc_fail(err, DSC_E_UNSUPPORTED, "tensor '%s': safetensors has no type %s",
                            src->items[i].name, dsc_dtype_text(src->items[i].dtype));
        if (strcmp(src->items[i].name, "__metadata__") == 0)
            return dsc_fail(err, DSC_E_DUP, "a tensor may not be called '__metadata__'");
    }
    qsort(slots, n, sizeof *slots, by_width);
    for (int i = 0; i < src->n; i++) {
        slots[i].begin = at;
        at += bytes_of(slots[i].item);
    }
    qsort(slots, n, sizeof *slots, by_name);
    DSC_TRY(add_meta(h, src, err));
    for (int i = 0; i < src->n; i++) {
        if (i > 0 && strcmp(slots[i - 1].item->name, slots[i].item->name) == 0)
            return dsc_fail(err, DSC_E_DUP, "the tensor '%s' stands twice", slots[i].item->name);
        add_entry(h, &slots[i]);
    }
    dsc_bytes_text(h, "}");
    while (!h->is_failed && h->n_bytes % ST_WRITE_ALIGN != 0)
        dsc_bytes_text(h, " ");
    qsort(slots, n, sizeof *slots, by_width);
    return h->is_failed ? dsc_fail(err, DSC_E_MEMORY, "out of memory for the header") : DSC_OK;
}

static enum dsc_status put_tensor(struct dsc_out *out, const struct dsc_tensor_source *src, int idx,
                                  struct dsc_err *err)
{
    struct dsc_tensor t = {0};

    if (src->load(src->ctx, idx, &t, err) != DSC_OK)
        return dsc_err_where(err, "tensor '%.100s'", src->items[idx].name);
    dsc_out_write(out, t.data, dsc_tensor_n_bytes(&t));
    dsc_tensor_clear(&t);
    if (src->done)
        src->done(src->ctx, idx, INFINITY);
    return DSC_OK;
}

enum dsc_status dsc_safetensors_write_from(const struct dsc_tensor_source *src, const char *path,
                                           bool may_replace, uint64_t *size_bytes,
                                           struct dsc_err *err)
{
    struct slot *slots = dsc_heap_alloc((size_t)src->n + 1, sizeof *slots, err);
    struct dsc_bytes header = {0};
    unsigned char prefix[8];
    struct dsc_out out = {.fd = -1};
    enum dsc_status st;

    if (!slots)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, make_header(&header, src, slots, err));
    DSC_TRY_OUT(st, dsc_out_open(&out, path, may_replace, err));
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)header.n_bytes >> (8 * i));
    dsc_out_write(&out, prefix, sizeof prefix);
    dsc_out_write(&out, header.data, header.n_bytes);
    for (int i = 0; i < src->n; i++)
        DSC_TRY_OUT(st, put_tensor(&out, src, slots[i].idx, err));
    if (size_bytes)
        *size_bytes = out.n_written;
    DSC_TRY_OUT(st, dsc_out_flush(&out, err));
    if (out.temp_path[0])
        DSC_TRY_OUT(st, dsc_source_read_back(src, out.temp_path, NULL, err));
    st = dsc_out_commit(&out, err);
out:
    dsc_out_abort(&out);
    dsc_bytes_clear(&header);
    dsc_heap_free(slots);
    return st;
}

static enum dsc_status load_item(void *ctx, int idx, struct dsc_tensor *t, struct dsc_err *err)
{
    const struct dsc_bundle *b = ctx;

    dsc_tensor_ref(t, &b->items[idx].tensor);
    return DSC_OK;
}

enum dsc_status dsc_safetensors_write(const struct dsc_bundle *b, const char *path,
                                      bool may_replace, struct dsc_err *err)
{
    struct dsc_stored *items = dsc_heap_alloc((size_t)b->n + 1, sizeof *items, err);
    const struct dsc_tensor_source src = {.items = items,
                                          .n = b->n,
                                          .meta = b->meta,
                                          .n_meta = b->n_meta,
                                          .ctx = (void *)(uintptr_t)b,
                                          .load = load_item};
    enum dsc_status st;

    if (!items)
        return DSC_E_MEMORY;
    for (int i = 0; i < b->n; i++) {
        const struct dsc_tensor *t = &b->items[i].tensor;

        items[i] =
            (struct dsc_stored){.name = b->items[i].name, .dtype = t->dtype, .rank = t->rank};
        memcpy(items[i].dim, t->dim, sizeof items[i].dim);
    }
    st = dsc_safetensors_write_from(&src, path, may_replace, NULL, err);
    dsc_heap_free(items);
    return st;
}
