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

/** An index space: sizes, and the strides of up to four tensors in elements. */
enum { DSC_CUDA_WALKS = 4 };
struct dsc_cuda_space {
    int rank;
    int64_t dim[DSC_CUDA_MAX_RANK], stride[DSC_CUDA_WALKS][DSC_CUDA_MAX_RANK];
};

/** Walks: 0 y, 1 x; both at their offsets already. */
int dsc_cuda_copy(void *stream, int elem_bytes, const struct dsc_cuda_space *s, void *y,
                  const void *x);
/**
 * y moves along the axes of `moving` and stands still along those of `still`. is_side_by_side:
 * neighbours of `moving` are neighbours in memory.
 */
int dsc_cuda_add_copy(void *stream, bool is_double, const struct dsc_cuda_space *moving,
                      const struct dsc_cuda_space *still, bool is_side_by_side, void *y,
                      const void *x);

/** Element types of binary, cast, reduce, cumsum and scatter. */
enum dsc_cuda_elem {
    DSC_CUDA_ELEM_F32,
    DSC_CUDA_ELEM_F64,
    DSC_CUDA_ELEM_I32,
    DSC_CUDA_ELEM_I64,
    DSC_CUDA_ELEM_BOOL
};

bool dsc_cuda_has_binary(int fn, enum dsc_cuda_elem elem);
/** Walks: 0 y, 1 a, 2 b. */
int dsc_cuda_binary(void *stream, int fn, enum dsc_cuda_elem elem, const struct dsc_cuda_space *s,
                    void *y, const void *a, const void *b);
/** Walks: 0 dx, 1 dy, 2 a, 3 b; spaces as for add_copy. */
int dsc_cuda_binary_bwd(void *stream, int fn, int side, bool is_double,
                        const struct dsc_cuda_space *moving, const struct dsc_cuda_space *still,
                        bool is_side_by_side, void *dx, const void *dy, const void *a,
                        const void *b);
/** Walks: 0 y, 1 c, 2 a, 3 b. */
int dsc_cuda_select_by(void *stream, int elem_bytes, const struct dsc_cuda_space *s, void *y,
                       const void *c, const void *a, const void *b);
int dsc_cuda_cast(void *stream, enum dsc_cuda_elem to, enum dsc_cuda_elem from, int64_t n, void *y,
                  const void *x);

/** fn of reductions.def, of floats. Walks: 0 y, 1 x. */
int dsc_cuda_reduce(void *stream, int fn, bool is_double, const struct dsc_cuda_space *kept,
                    const struct dsc_cuda_space *gone, bool is_side_by_side, void *y,
                    const void *x);
/** Walks of all: 0 dx and x, 1 dy and y; `gone` for what a slope needs of its other elements. */
int dsc_cuda_reduce_bwd(void *stream, int fn, bool is_double, const struct dsc_cuda_space *kept,
                        const struct dsc_cuda_space *gone, void *dx, const void *dy, const void *x,
                        const void *y);
int dsc_cuda_cumsum(void *stream, bool is_exclusive, bool is_reverse, enum dsc_cuda_elem elem,
                    int64_t outer, int64_t n, int64_t inner, void *y, const void *x);

/** Rows of n; n_channels, and what may be NULL, as in struct dsc_norm_spec and dsc_norm_grads. */
struct dsc_cuda_norm_args {
    bool is_double;
    int64_t n_rows, n, n_channels;
    double epsilon;
    void *y, *mean, *inv, *dx, *dgain, *dbias;
    const void *x, *gain, *bias, *dy, *dmean, *dinv;
    double *row_mean, *row_inv; /* backward: [n_rows] */
};
int dsc_cuda_norm(void *stream, const struct dsc_cuda_norm_args *g);
int dsc_cuda_norm_bwd(void *stream, const struct dsc_cuda_norm_args *g);

/** y (+)= kept ? x scale : 0; an element is kept where its number is >= threshold. */
struct dsc_cuda_dropout_args {
    bool is_double, is_adding;
    double scale;
    uint32_t threshold, key[2];
    int64_t n, n_per_example;
    const int64_t *ids; /* of examples, on the device; NULL: their numbers */
    void *y;
    bool *mask;
    const void *x;
};
int dsc_cuda_dropout(void *stream, const struct dsc_cuda_dropout_args *g);

int dsc_cuda_adamw(void *stream, int64_t n, float lr, float beta1, float beta2, float eps,
                   float decay, float c1, float c2, float grad_scale, float *w, float *m, float *v,
                   const float *g);
int dsc_cuda_sgd(void *stream, int64_t n, float lr, float momentum, float decay, float grad_scale,
                 float *w, float *m, const float *g);
/** Sums of DSC_CUDA_PARTS parts. */
enum { DSC_CUDA_PARTS = 256 };
int dsc_cuda_sum_squares(void *stream, int64_t n, const float *x, double *parts);

/**
 * Indices [n_idx], 4 or 8 bytes each, of [0, n) or from the end. *bad: the place of the first that
 * is outside, INT64_MAX where there is none; on the device.
 */
int dsc_cuda_check_indices(void *stream, int idx_bytes, int64_t n_idx, const void *idx, int64_t n,
                           int64_t *bad);
struct dsc_cuda_rows {
    int64_t outer, n, inner; /* of the tensor whose rows are meant */
    int idx_bytes, elem_bytes;
    int64_t n_idx;
    const void *idx;
};
int dsc_cuda_gather(void *stream, const struct dsc_cuda_rows *r, void *y, const void *x);
/** u NULL: zeros. */
int dsc_cuda_scatter(void *stream, const struct dsc_cuda_rows *r, void *y, const void *u);
int dsc_cuda_scatter_add(void *stream, const struct dsc_cuda_rows *r, enum dsc_cuda_elem elem,
                         void *y, const void *u);
/** Walks of idx's places: 0 the place in the tensor but for the axis; step: that of the axis. */
int dsc_cuda_index_elements(void *stream, const struct dsc_cuda_space *s, int idx_bytes, int64_t n,
                            int64_t step, int64_t *flat, const void *idx);

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
