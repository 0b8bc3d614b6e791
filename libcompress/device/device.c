/* Opening devices, and device memory with a cache of freed blocks. */
#include "dsc/device.h"

#include "device/backend.h"
#include "device/prim.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum dsc_status (*open)(struct dsc_device *dev, int index, struct dsc_err *err);
} rows[] = {
    {"cpu", dsc_cpu_open},
    {"cuda", dsc_cuda_open},
    {"shadow", dsc_shadow_open},
};

/*
 * Sizes are rounded to classes of 1/8 octave, so that freed blocks fit again (12 % waste at most);
 * a block of up to half an octave more is taken before a new one is made. Batches differ in
 * length, so blocks of many sizes would pile up: idle ones are given back when they and the live
 * ones together would exceed the most that was ever live.
 */
enum { N_CLASSES = 64 * 8, SPARE_CLASSES = 4 };

struct cached {
    struct dsc_buffer buf;
    struct cached *next;
    size_t block_bytes;
};

struct dsc_block_cache {
    struct cached *free_blocks[N_CLASSES];
    size_t idle_bytes;
};

static size_t class_bytes(size_t n_bytes, int *class_idx)
{
    size_t n = n_bytes < 512 ? 512 : n_bytes, step;
    int top = 63 - __builtin_clzll(n);

    step = (size_t)1 << (top - 3);
    n = (n + step - 1) & ~(step - 1);
    top = 63 - __builtin_clzll(n);
    *class_idx = top * 8 + (int)(n >> (top - 3) & 7);
    return n;
}

static void release_to_cache(struct dsc_buffer *b)
{
    struct cached *c = (struct cached *)b;
    struct dsc_device *dev = b->dev;
    int idx;

    dev->live_bytes -= c->block_bytes;
    class_bytes(c->block_bytes, &idx);
    c->next = dev->cache->free_blocks[idx];
    dev->cache->free_blocks[idx] = c;
    dev->cache->idle_bytes += c->block_bytes;
}

/* Give idle blocks back, largest first, until at most `keep` bytes are idle. */
static void trim_cache(struct dsc_device *dev, size_t keep)
{
    struct dsc_block_cache *cache = dev->cache;

    for (int i = N_CLASSES - 1; i >= 0 && cache->idle_bytes > keep; i--) {
        while (cache->free_blocks[i] && cache->idle_bytes > keep) {
            struct cached *c = cache->free_blocks[i];

            cache->free_blocks[i] = c->next;
            cache->idle_bytes -= c->block_bytes;
            dev->free(dev, c->buf.data, c->block_bytes);
            dsc_heap_free(c);
        }
    }
}

/* An idle block of that class or a little larger, or NULL. */
static struct cached *reuse_block(struct dsc_block_cache *cache, int class_idx)
{
    for (int i = class_idx; i <= class_idx + SPARE_CLASSES && i < N_CLASSES; i++) {
        struct cached *c = cache->free_blocks[i];

        if (!c)
            continue;
        cache->free_blocks[i] = c->next;
        cache->idle_bytes -= c->block_bytes;
        return c;
    }
    return NULL;
}

static enum dsc_status take_block(struct dsc_device *dev, size_t n_bytes, struct cached **block,
                                  struct dsc_err *err)
{
    int idx;
    const size_t block_bytes = class_bytes(n_bytes, &idx);
    const size_t live_bytes = dev->live_bytes + block_bytes;
    struct cached *c = reuse_block(dev->cache, idx);

    if (!c) {
        trim_cache(dev, dev->peak_bytes > live_bytes ? dev->peak_bytes - live_bytes : 0);
        c = dsc_heap_alloc(1, sizeof *c, err);
        if (!c)
            return DSC_E_MEMORY;
        c->buf.data = dev->alloc(dev, block_bytes, NULL);
        if (!c->buf.data) { /* give back what is idle, and try once more */
            trim_cache(dev, 0);
            c->buf.data = dev->alloc(dev, block_bytes, err);
        }
        if (!c->buf.data) {
            dsc_heap_free(c);
            return err ? err->status : DSC_E_MEMORY;
        }
        c->block_bytes = c->buf.n_bytes = block_bytes;
        c->buf.dev = dev;
        c->buf.release = release_to_cache;
    }
    atomic_init(&c->buf.n_refs, 1);
    dev->live_bytes += c->block_bytes;
    if (dev->live_bytes > dev->peak_bytes)
        dev->peak_bytes = dev->live_bytes;
    *block = c;
    return DSC_OK;
}

enum dsc_status dsc_device_open(struct dsc_device **dev, const char *name, int n_threads,
                                struct dsc_err *err)
{
    const size_t n_name = strcspn(name, ":");
    const char *digits = name[n_name] ? name + n_name + 1 : "0";
    const bool is_number = digits[0] && strspn(digits, "0123456789") == strlen(digits);
    const int index = is_number && strlen(digits) < 5 ? (int)strtol(digits, NULL, 10) : -1;
    struct dsc_device *d;
    enum dsc_status st;

    *dev = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (index < 0 || strlen(rows[i].name) != n_name || strncmp(rows[i].name, name, n_name) != 0)
            continue;
        d = dsc_heap_alloc(1, sizeof *d, err);
        if (!d)
            return DSC_E_MEMORY;
        d->name = rows[i].name;
        d->cache = dsc_heap_alloc(1, sizeof *d->cache, err);
        st = d->cache ? dsc_pool_open(&d->pool, n_threads, err) : DSC_E_MEMORY;
        if (st == DSC_OK)
            st = rows[i].open(d, index, err);
        if (st == DSC_OK)
            *dev = d;
        else
            dsc_device_close(d);
        return st;
    }
    dsc_fail(err, DSC_E_DEVICE, "there is no device '%s'", name);
    dsc_err_hint(err, "devices are cpu, cuda, cuda:N");
    return DSC_E_DEVICE;
}

bool dsc_device_has_fused(const struct dsc_device *dev)
{
    const struct dsc_prims *p = dev->prims;

    return p->sgemm_packed && p->qgemm_packed && p->qgemm_wide && p->unfold && p->code_gemm &&
           p->attention && p->add_norm && p->finish;
}

void dsc_device_set_cpu_level(struct dsc_device *dev, enum dsc_cpu_level level)
{
    if (dev->kernels)
        dev->kernels = dsc_kernels_for(level);
}

void dsc_device_close(struct dsc_device *dev)
{
    if (!dev)
        return;
    if (dev->cache && dev->free)
        trim_cache(dev, 0);
    if (dev->close)
        dev->close(dev);
    dsc_pool_close(dev->pool);
    dsc_heap_free(dev->cache);
    dsc_heap_free(dev);
}

enum dsc_status dsc_device_tensor(struct dsc_device *dev, struct dsc_tensor *t,
                                  enum dsc_dtype dtype, int rank, const int64_t *dim,
                                  struct dsc_err *err)
{
    struct cached *c = NULL;
    int64_t n;

    *t = (struct dsc_tensor){0};
    DSC_TRY(dsc_shape_check(dtype, rank, dim, &n, err));
    DSC_TRY(take_block(dev, dsc_dtype_bytes(dtype, n), &c, err));
    t->dtype = dtype;
    t->rank = rank;
    for (int i = 0; i < rank; i++)
        t->dim[i] = dim[i];
    t->data = c->buf.data;
    t->buf = &c->buf;
    return DSC_OK;
}

enum dsc_status dsc_device_zeros(struct dsc_device *dev, struct dsc_tensor *t, enum dsc_dtype dtype,
                                 int rank, const int64_t *dim, struct dsc_err *err)
{
    const uint64_t zero = 0;

    DSC_TRY(dsc_device_tensor(dev, t, dtype, rank, dim, err));
    if (dsc_fill(dev, t, &zero, err) != DSC_OK) {
        dsc_tensor_clear(t);
        return err ? err->status : DSC_E_INTERNAL;
    }
    return DSC_OK;
}

bool dsc_tensor_is_host(const struct dsc_tensor *t)
{
    return !t->buf || !t->buf->dev || t->buf->dev->is_host;
}

enum dsc_status dsc_to_device(struct dsc_device *dev, struct dsc_tensor *dst,
                              const struct dsc_tensor *src, struct dsc_err *err)
{
    enum dsc_status st;

    if ((src->buf && src->buf->dev == dev) || (dev->is_host && dsc_tensor_is_host(src))) {
        dsc_tensor_ref(dst, src);
        return DSC_OK;
    }
    if (!dsc_tensor_is_host(src))
        return dsc_fail(err, DSC_E_INTERNAL, "a copy from device %s to %s", src->buf->dev->name,
                        dev->name);
    DSC_TRY(dsc_device_tensor(dev, dst, src->dtype, src->rank, src->dim, err));
    st = dev->upload(dev, dst->data, src->data, dsc_tensor_n_bytes(src), err);
    if (st != DSC_OK)
        dsc_tensor_clear(dst);
    return st;
}

enum dsc_status dsc_to_host(struct dsc_tensor *dst, const struct dsc_tensor *src,
                            struct dsc_err *err)
{
    struct dsc_device *dev = src->buf ? src->buf->dev : NULL;
    enum dsc_status st;

    if (dsc_tensor_is_host(src)) {
        dsc_tensor_ref(dst, src);
        return DSC_OK;
    }
    DSC_TRY(dsc_tensor_new(dst, src->dtype, src->rank, src->dim, err));
    st = dev->download(dev, dst->data, src->data, dsc_tensor_n_bytes(src), err);
    if (st != DSC_OK)
        dsc_tensor_clear(dst);
    return st;
}
