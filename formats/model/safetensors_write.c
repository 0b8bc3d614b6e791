/*
 * Writing safetensors: header sorted by name, bytes laid out from wide to narrow element types,
 * so that every tensor is aligned without a hole.
 */
#include "dsc/io.h"
#include "formats_model.h"
#include "model/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { ST_WRITE_ALIGN = 8 };

struct slot {
    const struct dsc_named_tensor *item;
    uint64_t begin;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct slot *)a)->item->name, ((const struct slot *)b)->item->name);
}

static int by_width(const void *a, const void *b)
{
    const int wa = dsc_dtype_bits(((const struct slot *)a)->item->tensor.dtype);
    const int wb = dsc_dtype_bits(((const struct slot *)b)->item->tensor.dtype);

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

static enum dsc_status add_meta(struct dsc_bytes *h, const struct dsc_bundle *b,
                                struct dsc_err *err)
{
    const bool has_format = dsc_bundle_meta(b, "format") != NULL;
    struct dsc_bundle_meta *all = dsc_heap_alloc((size_t)b->n_meta + 1, sizeof *all, err);
    int n = 0;

    if (!all)
        return DSC_E_MEMORY;
    for (int i = 0; i < b->n_meta; i++)
        all[n++] = b->meta[i];
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

static void add_entry(struct dsc_bytes *h, const struct slot *s)
{
    const struct dsc_tensor *t = &s->item->tensor;

    dsc_bytes_text(h, ",");
    add_json_text(h, s->item->name);
    dsc_bytes_printf(h, ":{\"dtype\":\"%s\",\"shape\":[", st_dtype_text(t->dtype));
    for (int i = 0; i < t->rank; i++)
        dsc_bytes_printf(h, "%s%" PRId64, i ? "," : "", t->dim[i]);
    dsc_bytes_printf(h, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", s->begin,
                     s->begin + dsc_tensor_n_bytes(t));
}

/* Places first (wide to narrow), then the header by name. */
static enum dsc_status make_header(struct dsc_bytes *h, const struct dsc_bundle *b,
                                   struct slot *slots, struct dsc_err *err)
{
    uint64_t at = 0;

    for (int i = 0; i < b->n; i++) {
        slots[i].item = &b->items[i];
        if (!st_dtype_text(b->items[i].tensor.dtype))
            return dsc_fail(err, DSC_E_UNSUPPORTED, "tensor '%s': safetensors has no type %s",
                            b->items[i].name, dsc_dtype_text(b->items[i].tensor.dtype));
        if (strcmp(b->items[i].name, "__metadata__") == 0)
            return dsc_fail(err, DSC_E_DUP, "a tensor may not be called '__metadata__'");
    }
    qsort(slots, (size_t)b->n, sizeof *slots, by_width);
    for (int i = 0; i < b->n; i++) {
        slots[i].begin = at;
        at += dsc_tensor_n_bytes(&slots[i].item->tensor);
    }
    qsort(slots, (size_t)b->n, sizeof *slots, by_name);
    DSC_TRY(add_meta(h, b, err));
    for (int i = 0; i < b->n; i++) {
        if (i > 0 && strcmp(slots[i - 1].item->name, slots[i].item->name) == 0)
            return dsc_fail(err, DSC_E_DUP, "the tensor '%s' stands twice", slots[i].item->name);
        add_entry(h, &slots[i]);
    }
    dsc_bytes_text(h, "}");
    while (!h->is_failed && h->n_bytes % ST_WRITE_ALIGN != 0)
        dsc_bytes_text(h, " ");
    qsort(slots, (size_t)b->n, sizeof *slots, by_width);
    return h->is_failed ? dsc_fail(err, DSC_E_MEMORY, "out of memory for the header") : DSC_OK;
}

enum dsc_status dsc_safetensors_write(const struct dsc_bundle *b, const char *path,
                                      bool may_replace, struct dsc_err *err)
{
    struct slot *slots = dsc_heap_alloc((size_t)b->n + 1, sizeof *slots, err);
    struct dsc_bytes header = {0};
    unsigned char prefix[8];
    struct dsc_out out = {.fd = -1};
    enum dsc_status st;

    if (!slots)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, make_header(&header, b, slots, err));
    DSC_TRY_OUT(st, dsc_out_open(&out, path, may_replace, err));
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)((uint64_t)header.n_bytes >> (8 * i));
    dsc_out_write(&out, prefix, sizeof prefix);
    dsc_out_write(&out, header.data, header.n_bytes);
    for (int i = 0; i < b->n; i++)
        dsc_out_write(&out, slots[i].item->tensor.data, dsc_tensor_n_bytes(&slots[i].item->tensor));
    st = dsc_out_commit(&out, err);
out:
    dsc_bytes_clear(&header);
    dsc_heap_free(slots);
    return st;
}
