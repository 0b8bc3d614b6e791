/*
 * The host's side of the CUDA module: find it, load it, check that it was built for this program.
 * The program holds no reference to CUDA; without the module it says what it tried.
 */
#include "device/backend.h"
#include "device/prim.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE_NAME "libcompress-cuda.so"

enum { N_PLACES = 3, PATH_BYTES = 512 };

/* A path that does not fit is no place. */
static int add_place(char place[][PATH_BYTES], int n, const char *folder, const char *name)
{
    const int n_bytes = snprintf(place[n], PATH_BYTES, "%s%s", folder, name);

    return n_bytes > 0 && n_bytes < PATH_BYTES ? n + 1 : n;
}

static int places(char place[][PATH_BYTES])
{
    const char *only = getenv("DSCOMPRESS_CUDA_MODULE");
    char self[PATH_BYTES];
    ssize_t n_bytes;
    char *slash;
    int n = 0;

    if (only && *only)
        return add_place(place, 0, only, "");
    n_bytes = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n_bytes > 0 ? n_bytes : 0] = 0;
    slash = strrchr(self, '/');
    if (slash) {
        slash[1] = 0;
        n = add_place(place, n, self, MODULE_NAME);
    }
    return add_place(place, n, DSC_MODULE_DIR, "/" MODULE_NAME);
}

static const char *fault_of(const struct dsc_backend *b)
{
    if (b->abi != DSC_BACKEND_ABI || b->device_bytes != sizeof(struct dsc_device) ||
        b->prims_bytes != sizeof(struct dsc_prims) ||
        b->tensor_bytes != sizeof(struct dsc_tensor) || b->err_bytes != sizeof(struct dsc_err))
        return "it was built for another version of this program";
    return NULL;
}

/* The module stays loaded (its runtime has exit handlers); loading it again finds it. */
static const struct dsc_backend *load(const char *path, const char **fault)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    dsc_backend_get_fn *get = NULL;
    const struct dsc_backend *b;
    void *symbol;

    if (!module) {
        *fault = dlerror();
        return NULL;
    }
    symbol = dlsym(module, DSC_BACKEND_SYMBOL);
    memcpy(&get, &symbol, sizeof get); /* ISO C has no cast between the two kinds of pointer */
    b = get ? get() : NULL;
    *fault = b ? fault_of(b) : "it exports no " DSC_BACKEND_SYMBOL;
    dlclose(module);
    return *fault ? NULL : b;
}

static enum dsc_status find(const struct dsc_backend **backend, char path[PATH_BYTES],
                            struct dsc_err *err)
{
    char place[N_PLACES][PATH_BYTES], tried[2 * PATH_BYTES];
    const int n = places(place);
    size_t used = 0;

    tried[0] = 0;
    for (int i = 0; i < n; i++) {
        const char *fault = NULL;
        int n_bytes;

        *backend = load(place[i], &fault);
        if (*backend) {
            memcpy(path, place[i], PATH_BYTES);
            return DSC_OK;
        }
        if (access(place[i], F_OK) != 0)
            n_bytes = snprintf(tried + used, sizeof tried - used, "%s%s is not there",
                               used ? "; " : "", place[i]);
        else
            n_bytes = snprintf(tried + used, sizeof tried - used, "%s%s: %s", used ? "; " : "",
                               place[i], fault);
        used += n_bytes > 0 ? (size_t)n_bytes : 0;
        if (used >= sizeof tried)
            used = sizeof tried - 1;
    }
    return dsc_fail(err, DSC_E_DEVICE, "no CUDA module: %s", n ? tried : "no place to look");
}

enum dsc_status dsc_cuda_open(struct dsc_device *dev, int index, struct dsc_err *err)
{
    const struct dsc_backend *b;
    char path[PATH_BYTES];

    if (find(&b, path, err) != DSC_OK)
        return dsc_err_hint(err, "build with nvcc, or say where it is: DSCOMPRESS_CUDA_MODULE");
    return b->open(dev, index, err);
}

void dsc_cuda_probe(struct dsc_cuda_info *info)
{
    const struct dsc_backend *b;
    struct dsc_err err = {0};

    memset(info, 0, sizeof *info);
    if (find(&b, info->module, &err) == DSC_OK) {
        snprintf(info->version, sizeof info->version, "%s", b->version);
        if (b->count(&info->n_devices, &err) == DSC_OK)
            return;
        info->n_devices = 0;
    }
    snprintf(info->reason, sizeof info->reason, "%.1000s", err.message);
}

enum dsc_status dsc_cuda_describe_device(int index, char *text, size_t n_bytes, struct dsc_err *err)
{
    const struct dsc_backend *b;
    char path[PATH_BYTES];

    DSC_TRY(find(&b, path, err));
    return b->describe(index, text, n_bytes, err);
}
