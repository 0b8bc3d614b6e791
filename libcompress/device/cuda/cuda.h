/* The module's C side: its device, and its primitives as rows of primitives.def. */
#ifndef DSC_CUDA_H
#define DSC_CUDA_H

#include "device/cuda/cuda_api.h"
#include "device/prim.h"

struct dsc_cuda {
    int index;
    void *stream;
    struct dsc_cuda_blas *blas; /* loaded by the first product */
};

#define DSC_PRIM(name, params, args) enum dsc_status dsc_cuda_prim_##name params;
#include "device/primitives.def"
#undef DSC_PRIM

static inline void *dsc_cuda_stream(const struct dsc_device *d)
{
    return ((const struct dsc_cuda *)d->state)->stream;
}

/** What a launch or a call of the runtime said: OK, or DEVICE. */
static inline enum dsc_status dsc_cuda_check(int error, const char *what, struct dsc_err *err)
{
    if (error == 0)
        return DSC_OK;
    return dsc_fail(err, DSC_E_DEVICE, "CUDA: %s: %s", what, dsc_cuda_error_text(error));
}

static inline enum dsc_status dsc_cuda_no_dtype(const char *prim, const struct dsc_tensor *t,
                                                struct dsc_err *err)
{
    return dsc_fail(err, DSC_E_UNSUPPORTED, "%s of %s on cuda", prim, dsc_dtype_text(t->dtype));
}

static inline bool dsc_cuda_is_f32_or_f64(const struct dsc_tensor *t)
{
    return t->dtype == DSC_F32 || t->dtype == DSC_F64;
}

/** False where the module has no kernels for the type. */
static inline bool dsc_cuda_elem_of(enum dsc_dtype dtype, enum dsc_cuda_elem *elem)
{
    *elem = dtype == DSC_F32   ? DSC_CUDA_ELEM_F32
            : dtype == DSC_F64 ? DSC_CUDA_ELEM_F64
            : dtype == DSC_I32 ? DSC_CUDA_ELEM_I32
            : dtype == DSC_I64 ? DSC_CUDA_ELEM_I64
                               : DSC_CUDA_ELEM_BOOL;
    return *elem != DSC_CUDA_ELEM_BOOL || dtype == DSC_BOOL;
}

/**
 * A space of the axes whose stride of walk 0 is not 0 (is_moving) or is 0 (is_still), axes merged
 * where all walks go on evenly. Returns the number of places.
 */
int64_t dsc_cuda_space_of(struct dsc_cuda_space *s, int rank, const int64_t *dim, int n_walks,
                          const struct dsc_walk *const *walks, bool is_moving, bool is_still);
/** Whether the last axis that has more than one place is one of walk 0. */
bool dsc_cuda_is_side_by_side(int rank, const int64_t *dim, const struct dsc_walk *walk);

#endif
