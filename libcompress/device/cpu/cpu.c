/* The cpu device: host memory, and the table of its primitives. */
#include "device/cpu/cpu.h"

#include "device/backend.h"
#include "kernels/kernels.h"

#include <string.h>

const struct dsc_prims dsc_cpu_prims = {
#define DSC_PRIM(name, params, args) .name = dsc_cpu_##name,
#include "device/primitives.def"
#undef DSC_PRIM
};

static void *cpu_alloc(struct dsc_device *dev, size_t n_bytes, struct dsc_err *err)
{
    (void)dev;
    return dsc_heap_aligned(n_bytes, err);
}

static void cpu_free(struct dsc_device *dev, void *p, size_t n_bytes)
{
    (void)dev;
    (void)n_bytes;
    dsc_heap_free(p);
}

static enum dsc_status cpu_move(struct dsc_device *dev, void *dst, const void *src, size_t n_bytes,
                                struct dsc_err *err)
{
    (void)dev;
    (void)err;
    memcpy(dst, src, n_bytes);
    return DSC_OK;
}

enum dsc_status dsc_cpu_open(struct dsc_device *dev, int index, struct dsc_err *err)
{
    if (index != 0)
        return dsc_fail(err, DSC_E_DEVICE, "there is one cpu device, not number %d", index);
    dev->is_host = true;
    dev->prims = &dsc_cpu_prims;
    dev->kernels = dsc_kernels_for(dsc_cpu_level_best());
    dev->alloc = cpu_alloc;
    dev->free = cpu_free;
    dev->upload = cpu_move;
    dev->download = cpu_move;
    return DSC_OK;
}

enum dsc_status dsc_cpu_no_dtype(const char *prim, const struct dsc_tensor *t, struct dsc_err *err)
{
    return dsc_fail(err, DSC_E_UNSUPPORTED, "%s of %s on the cpu", prim, dsc_dtype_text(t->dtype));
}
