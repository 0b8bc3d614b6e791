/* What backends give to device.c, and what it gives them. */
#ifndef DSC_BACKEND_H
#define DSC_BACKEND_H

#include "dsc/device.h"

/** Fill in a zeroed device (name and pool are set). Errors: DEVICE, MEMORY. */
enum dsc_status dsc_cpu_open(struct dsc_device *dev, int index, struct dsc_err *err);
enum dsc_status dsc_shadow_open(struct dsc_device *dev, int index, struct dsc_err *err);

enum dsc_status dsc_cuda_open(struct dsc_device *dev, int index, struct dsc_err *err);

extern const struct dsc_prims dsc_cpu_prims;

/**
 * What a module (libcompress-cuda.so) exports: one function, dsc_backend_get. The sizes stand for
 * the layout that both sides were compiled with; the loader refuses a module with others.
 */
enum { DSC_BACKEND_ABI = 1 };

struct dsc_backend {
    uint32_t abi;
    uint32_t device_bytes, prims_bytes, tensor_bytes, err_bytes;
    const char *version; /* of dscompress */
    /* Fill in a device; DEVICE says what the driver said. */
    enum dsc_status (*open)(struct dsc_device *dev, int index, struct dsc_err *err);
    /* Devices there, and a line about one. Errors: DEVICE. */
    enum dsc_status (*count)(int *n_devices, struct dsc_err *err);
    enum dsc_status (*describe)(int index, char *text, size_t n_bytes, struct dsc_err *err);
};

#define DSC_BACKEND_SYMBOL "dsc_backend_get"
typedef const struct dsc_backend *dsc_backend_get_fn(void);

#endif
