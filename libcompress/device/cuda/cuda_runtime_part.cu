/* Devices, streams and memory by the CUDA runtime. */
#include "device/cuda/cuda_api.h"

#include <cstdio>
#include <cuda_runtime.h>

const char *dsc_cuda_error_text(int error)
{
    return cudaGetErrorString((cudaError_t)error);
}

int dsc_cuda_count(int *n_devices)
{
    *n_devices = 0;
    return cudaGetDeviceCount(n_devices);
}

int dsc_cuda_describe(int index, char *text, size_t n_bytes)
{
    cudaDeviceProp prop;
    const cudaError_t error = cudaGetDeviceProperties(&prop, index);

    if (error == cudaSuccess)
        snprintf(text, n_bytes, "%s, compute %d.%d, %.0f GiB", prop.name, prop.major, prop.minor,
                 (double)prop.totalGlobalMem / (1 << 30));
    return error;
}

int dsc_cuda_versions(int *driver, int *runtime)
{
    const cudaError_t error = cudaDriverGetVersion(driver);

    return error == cudaSuccess ? cudaRuntimeGetVersion(runtime) : error;
}

int dsc_cuda_select(int index)
{
    return cudaSetDevice(index);
}

int dsc_cuda_stream_open(void **stream)
{
    cudaStream_t s = nullptr;
    const cudaError_t error = cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking);

    *stream = s;
    return error;
}

int dsc_cuda_stream_close(void *stream)
{
    return cudaStreamDestroy((cudaStream_t)stream);
}

int dsc_cuda_alloc(void **p, size_t n_bytes)
{
    const cudaError_t error = cudaMalloc(p, n_bytes);

    if (error != cudaSuccess) {
        *p = nullptr;
        (void)cudaGetLastError(); /* a full device is no fault of the next launch */
    }
    return error;
}

int dsc_cuda_free(void *p)
{
    return cudaFree(p);
}

static int move(void *stream, void *dst, const void *src, size_t n_bytes, cudaMemcpyKind kind)
{
    const cudaStream_t s = (cudaStream_t)stream;
    const cudaError_t error = cudaMemcpyAsync(dst, src, n_bytes, kind, s);

    return error == cudaSuccess ? cudaStreamSynchronize(s) : error;
}

int dsc_cuda_upload(void *stream, void *dst, const void *src, size_t n_bytes)
{
    return move(stream, dst, src, n_bytes, cudaMemcpyHostToDevice);
}

int dsc_cuda_download(void *stream, void *dst, const void *src, size_t n_bytes)
{
    return move(stream, dst, src, n_bytes, cudaMemcpyDeviceToHost);
}
