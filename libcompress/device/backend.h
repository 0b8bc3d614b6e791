/* What backends give to device.c, and what it gives them. */
#ifndef DSC_BACKEND_H
#define DSC_BACKEND_H

#include "dsc/device.h"

/** Fill in a zeroed device (name and pool are set). Errors: DEVICE, MEMORY. */
enum dsc_status dsc_cpu_open(struct dsc_device *dev, int index, struct dsc_err *err);
enum dsc_status dsc_shadow_open(struct dsc_device *dev, int index, struct dsc_err *err);

extern const struct dsc_prims dsc_cpu_prims;

#endif
