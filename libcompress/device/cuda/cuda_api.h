/*
 * What the module's C side and its CUDA side say to each other: pointers and sizes only, since
 * CUDA's compiler reads C++ and the library's headers are C17. Functions return a cudaError_t as
 * an int, 0 for success; launches are queued on the device's stream.
 */
#ifndef DSC_CUDA_API_H
#define DSC_CUDA_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DSC_CUDA_MAX_RANK = 8 };

const char *dsc_cuda_error_text(int error);
int dsc_cuda_count(int *n_devices);
/** "NVIDIA H100, compute 9.0, 80 GiB"; and the CUDA versions of the driver and of the module. */
int dsc_cuda_describe(int index, char *text, size_t n_bytes);
int dsc_cuda_versions(int *driver, int *runtime);

int dsc_cuda_select(int index);
int dsc_cuda_stream_open(void **stream);
int dsc_cuda_stream_close(void *stream);
int dsc_cuda_alloc(void **p, size_t n_bytes);
int dsc_cuda_free(void *p);
int dsc_cuda_upload(void *stream, void *dst, const void *src, size_t n_bytes);
int dsc_cuda_download(void *stream, void *dst, const void *src, size_t n_bytes);

/* T is f32, or f64 where is_double. */
int dsc_cuda_map(void *stream, int fn, bool is_double, int64_t n, double alpha, double beta,
                 void *y, const void *x);
int dsc_cuda_map_bwd(void *stream, int fn, bool is_double, int64_t n, double alpha, double beta,
                     void *dx, const void *dy, const void *x, const void *y);
int dsc_cuda_softmax(void *stream, bool is_log, bool is_double, int64_t outer, int64_t n,
                     int64_t inner, void *y, const void *x);
int dsc_cuda_softmax_bwd(void *stream, bool is_log, bool is_double, int64_t outer, int64_t n,
                         int64_t inner, void *dx, const void *dy, const void *y);
/** elem_bytes 1, 2, 4 or 8; value has that many bytes. */
int dsc_cuda_fill(void *stream, int elem_bytes, int64_t n, void *y, uint64_t value);

/** An index space: sizes, and strides of y and x in elements. */
struct dsc_cuda_nest {
    int rank;
    int64_t dim[DSC_CUDA_MAX_RANK], sy[DSC_CUDA_MAX_RANK], sx[DSC_CUDA_MAX_RANK];
};

/** y, x at their offsets already. */
int dsc_cuda_copy(void *stream, int elem_bytes, const struct dsc_cuda_nest *nest, void *y,
                  const void *x);
/** y moves along the axes of `moving` and stands still along those of `still`: sums in order. */
int dsc_cuda_add_copy(void *stream, bool is_double, const struct dsc_cuda_nest *moving,
                      const struct dsc_cuda_nest *still, void *y, const void *x);

/** Element types of axpy and of dsc_cuda_blas_gemm; sums of halves are F32. */
enum dsc_cuda_type { DSC_CUDA_F32, DSC_CUDA_F64, DSC_CUDA_F16, DSC_CUDA_BF16 };

int dsc_cuda_axpy(void *stream, enum dsc_cuda_type type, int64_t n, double alpha, void *y,
                  const void *x);

/**
 * n_batch row-major products C = alpha op(A) op(B) + beta C whose matrices are stride_x elements
 * apart. min_align: what the addresses of the matrices are multiples of, in bytes.
 */
struct dsc_cuda_gemm {
    enum dsc_cuda_type type;
    bool is_trans_a, is_trans_b;
    int64_t m, n, k, n_batch, stride_a, stride_b, stride_c;
    double alpha, beta;
    uint32_t align_a, align_b, align_c;
};

struct dsc_cuda_blas;

/** Load cuBLASLt: the system's, else that of folder `libs` (may be NULL). NULL, `text` says why. */
struct dsc_cuda_blas *dsc_cuda_blas_open(const char *libs, char *text, size_t n_bytes);
void dsc_cuda_blas_close(struct dsc_cuda_blas *b);
/** Returns 0, or a number of cuBLASLt that `text` explains. */
int dsc_cuda_blas_gemm(struct dsc_cuda_blas *b, void *stream, const struct dsc_cuda_gemm *g,
                       void *c, const void *a, const void *bm, char *text, size_t n_bytes);

#ifdef __cplusplus
}
#endif

#endif
