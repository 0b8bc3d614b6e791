/*
 * The device seam: where tensors live and who computes on them.
 *
 * A device allocates, copies and synchronises, and has a table of primitives (device/prim.h).
 * `cpu` is the host. `shadow` computes as the cpu does, in memory that faults when it is touched
 * outside a primitive: it stands in for a GPU in every test run. `cuda` is loaded at run time.
 *
 * A device keeps freed blocks for reuse. One thread drives a device at a time; its primitives
 * spread over the pool.
 */
#ifndef DSC_DEVICE_H
#define DSC_DEVICE_H

#include "dsc/machine.h"
#include "dsc/pool.h"
#include "dsc/status.h"
#include "dsc/tensor.h"

#include <stdbool.h>
#include <stddef.h>

struct dsc_kernels;
struct dsc_prims;
struct dsc_block_cache;

struct dsc_device {
    const char *name;
    bool is_host; /* tensors may be dereferenced by the host */
    struct dsc_pool *pool;
    const struct dsc_prims *prims;
    const struct dsc_kernels *kernels; /* of the chosen CPU level; NULL where the cpu has no part */
    void *state;                       /* of the backend */

    void *(*alloc)(struct dsc_device *dev, size_t n_bytes, struct dsc_err *err);
    void (*free)(struct dsc_device *dev, void *p, size_t n_bytes);
    enum dsc_status (*upload)(struct dsc_device *dev, void *dst, const void *host_src,
                              size_t n_bytes, struct dsc_err *err);
    enum dsc_status (*download)(struct dsc_device *dev, void *host_dst, const void *src,
                                size_t n_bytes, struct dsc_err *err);
    void (*enter)(struct dsc_device *dev); /* before a primitive; may be NULL */
    void (*leave)(struct dsc_device *dev); /* after it */
    void (*close)(struct dsc_device *dev);

    struct dsc_block_cache *cache;
    size_t live_bytes, peak_bytes; /* handed out now, and at most so far */
};

/**
 * Open a device by name: "cpu", "shadow", "cuda", "cuda:1".
 *
 * n_threads  workers of the pool, >= 1
 * Errors     DEVICE  unknown, or not there (the message says what was tried)
 */
enum dsc_status dsc_device_open(struct dsc_device **dev, const char *name, int n_threads,
                                struct dsc_err *err);
void dsc_device_close(struct dsc_device *dev);

/**
 * The CUDA module: $DSCOMPRESS_CUDA_MODULE (alone, when it is set), else beside the program, else
 * in the library folder of the installation.
 *
 * module    its path, "" when there is none that fits; version: of dscompress it was built from
 * reason    why there is no module or no device, "" when there are devices
 */
struct dsc_cuda_info {
    char module[512];
    char version[32];
    char reason[1024];
    int n_devices;
};

void dsc_cuda_probe(struct dsc_cuda_info *info);
/** A line about device `index`: name, compute capability, memory. Errors: DEVICE. */
enum dsc_status dsc_cuda_describe_device(int index, char *text, size_t n_bytes,
                                         struct dsc_err *err);

/** True where the device has the primitives that dsc_pass_inference fuses graphs to. */
bool dsc_device_has_fused(const struct dsc_device *dev);

/** Use no instructions above `level` (--cpu); a device opens with the best of this machine. */
void dsc_device_set_cpu_level(struct dsc_device *dev, enum dsc_cpu_level level);

/** A tensor in device memory, uninitialised. Errors: MEMORY, OVERFLOW, RANGE. */
enum dsc_status dsc_device_tensor(struct dsc_device *dev, struct dsc_tensor *t,
                                  enum dsc_dtype dtype, int rank, const int64_t *dim,
                                  struct dsc_err *err);
enum dsc_status dsc_device_zeros(struct dsc_device *dev, struct dsc_tensor *t, enum dsc_dtype dtype,
                                 int rank, const int64_t *dim, struct dsc_err *err);

/**
 * dst becomes src in the memory of `dev` (or of the host): a reference where it is there already,
 * a copy otherwise. dst's old content is not cleared.
 */
enum dsc_status dsc_to_device(struct dsc_device *dev, struct dsc_tensor *dst,
                              const struct dsc_tensor *src, struct dsc_err *err);
enum dsc_status dsc_to_host(struct dsc_tensor *dst, const struct dsc_tensor *src,
                            struct dsc_err *err);
/** True when the host may dereference t. */
bool dsc_tensor_is_host(const struct dsc_tensor *t);

#endif
