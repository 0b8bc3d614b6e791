/*
 * The shadow device: the cpu's primitives on memory that the host cannot touch between them.
 * One large region is reserved; it is readable only while a primitive runs. A host dereference of
 * device memory is a segmentation fault in every test run, as it would be on a GPU.
 */
#include "device/backend.h"
#include "dsc/arena.h"
#include "kernels/kernels.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { SHADOW_PAGE = 4096 };

static const size_t shadow_region_bytes = (size_t)16 << 30; /* address space, not memory */

struct shadow {
    unsigned char *region;
    size_t used_bytes;
    int depth;
};

static void enter(struct dsc_device *dev)
{
    struct shadow *s = dev->state;

    if (s->depth++ == 0 && s->used_bytes)
        mprotect(s->region, s->used_bytes, PROT_READ | PROT_WRITE);
}

static void leave(struct dsc_device *dev)
{
    struct shadow *s = dev->state;

    if (--s->depth == 0 && s->used_bytes)
        mprotect(s->region, s->used_bytes, PROT_NONE);
}

/* Bump allocation: the device's cache reuses blocks, and a test's device is short-lived. */
static void *shadow_alloc(struct dsc_device *dev, size_t n_bytes, struct dsc_err *err)
{
    struct shadow *s = dev->state;
    unsigned char *p = s->region + s->used_bytes;
    const size_t n = (n_bytes + SHADOW_PAGE - 1) & ~(size_t)(SHADOW_PAGE - 1);

    if (n > shadow_region_bytes - s->used_bytes) {
        dsc_fail(err, DSC_E_MEMORY, "the shadow device is full");
        return NULL;
    }
    s->used_bytes += n;
    if (s->depth > 0)
        mprotect(p, n, PROT_READ | PROT_WRITE);
    return p;
}

static void shadow_free(struct dsc_device *dev, void *p, size_t n_bytes)
{
    (void)dev;
    madvise(p, (n_bytes + SHADOW_PAGE - 1) & ~(size_t)(SHADOW_PAGE - 1), MADV_DONTNEED);
}

static enum dsc_status shadow_copy(struct dsc_device *dev, void *dst, const void *src,
                                   size_t n_bytes, struct dsc_err *err)
{
    (void)err;
    enter(dev);
    memcpy(dst, src, n_bytes);
    leave(dev);
    return DSC_OK;
}

static void shadow_close(struct dsc_device *dev)
{
    struct shadow *s = dev->state;

    if (s && s->region)
        munmap(s->region, shadow_region_bytes);
    dsc_heap_free(s);
}

enum dsc_status dsc_shadow_open(struct dsc_device *dev, int index, struct dsc_err *err)
{
    struct shadow *s = dsc_heap_alloc(1, sizeof *s, err);
    void *p;

    (void)index;
    if (!s)
        return DSC_E_MEMORY;
    dev->state = s;
    dev->close = shadow_close;
    p = mmap(NULL, shadow_region_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
             0);
    if (p == MAP_FAILED)
        return dsc_fail(err, DSC_E_MEMORY, "no address space for the shadow device: %s",
                        strerror(errno));
    s->region = p;
    dev->prims = &dsc_cpu_prims;
    dev->kernels = dsc_kernels_for(dsc_cpu_level_best());
    dev->alloc = shadow_alloc;
    dev->free = shadow_free;
    dev->upload = shadow_copy;
    dev->download = shadow_copy;
    dev->enter = enter;
    dev->leave = leave;
    return DSC_OK;
}
