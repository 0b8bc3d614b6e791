/*
 * Matrix products by cuBLASLt, which is loaded when the first product needs it: its 400 MB are
 * NVIDIA's to ship. Its matrices are column-major, so a row-major C = op(A) op(B) is asked for as
 * C' = op(B)' op(A)'. Sums are F32 (F64 for doubles), never TF32; parts of a split sum meet in
 * that type, in an order that the library keeps, never in C.
 */
#include "device/cuda/cuda_api.h"

#include <cstdio>
#include <cublasLt.h>
#include <cuda_runtime.h>
#include <dlfcn.h>
#include <new>

static const size_t workspace_bytes = (size_t)32 << 20;

#define FUNCTIONS(X)                        \
    X(cublasLtCreate)                       \
    X(cublasLtDestroy)                      \
    X(cublasLtGetStatusString)              \
    X(cublasLtMatmul)                       \
    X(cublasLtMatmulAlgoGetHeuristic)       \
    X(cublasLtMatmulDescCreate)             \
    X(cublasLtMatmulDescDestroy)            \
    X(cublasLtMatmulDescSetAttribute)       \
    X(cublasLtMatmulPreferenceCreate)       \
    X(cublasLtMatmulPreferenceDestroy)      \
    X(cublasLtMatmulPreferenceSetAttribute) \
    X(cublasLtMatrixLayoutCreate)           \
    X(cublasLtMatrixLayoutDestroy)          \
    X(cublasLtMatrixLayoutSetAttribute)

struct dsc_cuda_blas {
    void *library;
    cublasLtHandle_t handle;
    void *workspace;
#define MEMBER(name) decltype(&::name) name;
    FUNCTIONS(MEMBER)
#undef MEMBER
};

static void *load(const char *libs, char *text, size_t n_bytes)
{
    char soname[32], path[4096];
    void *library;
    int n;

    snprintf(soname, sizeof soname, "libcublasLt.so.%d", CUBLAS_VER_MAJOR);
    library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (library)
        return library;
    snprintf(text, n_bytes, "%s", dlerror());
    if (!libs)
        return nullptr;
    n = snprintf(path, sizeof path, "%s/%s", libs, soname);
    library = n < (int)sizeof path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (!library)
        snprintf(text, n_bytes, "%s is neither a library of the system nor in %s", soname, libs);
    return library;
}

struct dsc_cuda_blas *dsc_cuda_blas_open(const char *libs, char *text, size_t n_bytes)
{
    dsc_cuda_blas *b = new (std::nothrow) dsc_cuda_blas();

    if (!b) {
        snprintf(text, n_bytes, "out of memory");
        return nullptr;
    }
    b->library = load(libs, text, n_bytes);
    if (!b->library)
        goto fail;
#define FIND(name)                                                     \
    b->name = (decltype(b->name))dlsym(b->library, #name);             \
    if (!b->name) {                                                    \
        snprintf(text, n_bytes, "the library has no function " #name); \
        goto fail;                                                     \
    }
    FUNCTIONS(FIND)
#undef FIND
    if (b->cublasLtCreate(&b->handle) != CUBLAS_STATUS_SUCCESS) {
        b->handle = nullptr;
        snprintf(text, n_bytes, "cublasLtCreate failed");
        goto fail;
    }
    if (cudaMalloc(&b->workspace, workspace_bytes) != cudaSuccess) {
        (void)cudaGetLastError();
        b->workspace = nullptr;
        snprintf(text, n_bytes, "no device memory for its workspace");
        goto fail;
    }
    return b;
fail:
    dsc_cuda_blas_close(b);
    return nullptr;
}

void dsc_cuda_blas_close(struct dsc_cuda_blas *b)
{
    if (!b)
        return;
    if (b->workspace)
        cudaFree(b->workspace);
    if (b->handle)
        b->cublasLtDestroy(b->handle);
    if (b->library)
        dlclose(b->library);
    delete b;
}

static const struct {
    cudaDataType_t data, scale;
    cublasComputeType_t compute;
} types[] = {
    {CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F},
    {CUDA_R_64F, CUDA_R_64F, CUBLAS_COMPUTE_64F},
    {CUDA_R_16F, CUDA_R_32F, CUBLAS_COMPUTE_32F},
    {CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F},
};

struct plan {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t best;
};

#define TRY(call)                          \
    do {                                   \
        const cublasStatus_t st_ = (call); \
        if (st_ != CUBLAS_STATUS_SUCCESS)  \
            return st_;                    \
    } while (0)

/* A row-major matrix [rows, cols], batched, as the column-major one that it is in memory. */
static cublasStatus_t make_layout(const dsc_cuda_blas *b, cublasLtMatrixLayout_t *layout,
                                  cudaDataType_t type, int64_t rows, int64_t cols, int64_t n_batch,
                                  int64_t stride)
{
    const int32_t count = (int32_t)n_batch;

    TRY(b->cublasLtMatrixLayoutCreate(layout, type, (uint64_t)cols, (uint64_t)rows, cols));
    TRY(b->cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                            sizeof count));
    return b->cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                               &stride, sizeof stride);
}

static cublasStatus_t make_preference(const dsc_cuda_blas *b, plan *p, const dsc_cuda_gemm *g)
{
    const uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t n_bytes;
    } attr[] = {
        {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof workspace_bytes},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction, sizeof reduction},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &g->align_b, sizeof g->align_b},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &g->align_a, sizeof g->align_a},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &g->align_c, sizeof g->align_c},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &g->align_c, sizeof g->align_c},
    };

    TRY(b->cublasLtMatmulPreferenceCreate(&p->preference));
    for (size_t i = 0; i < sizeof attr / sizeof attr[0]; i++)
        TRY(b->cublasLtMatmulPreferenceSetAttribute(p->preference, attr[i].name, attr[i].value,
                                                    attr[i].n_bytes));
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t make_plan(const dsc_cuda_blas *b, plan *p, const dsc_cuda_gemm *g)
{
    const cublasOperation_t op_a = g->is_trans_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t op_b = g->is_trans_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cudaDataType_t type = types[g->type].data;
    int n_found = 0;

    TRY(b->cublasLtMatmulDescCreate(&p->desc, types[g->type].compute, types[g->type].scale));
    TRY(b->cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &op_a,
                                          sizeof op_a));
    TRY(b->cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, &op_b,
                                          sizeof op_b));
    TRY(make_layout(b, &p->a, type, g->is_trans_b ? g->n : g->k, g->is_trans_b ? g->k : g->n,
                    g->n_batch, g->stride_b));
    TRY(make_layout(b, &p->b, type, g->is_trans_a ? g->k : g->m, g->is_trans_a ? g->m : g->k,
                    g->n_batch, g->stride_a));
    TRY(make_layout(b, &p->c, type, g->m, g->n, g->n_batch, g->stride_c));
    TRY(make_preference(b, p, g));
    TRY(b->cublasLtMatmulAlgoGetHeuristic(b->handle, p->desc, p->a, p->b, p->c, p->c, p->preference,
                                          1, &p->best, &n_found));
    return n_found > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

static void drop_plan(const dsc_cuda_blas *b, plan *p)
{
    if (p->preference)
        b->cublasLtMatmulPreferenceDestroy(p->preference);
    if (p->c)
        b->cublasLtMatrixLayoutDestroy(p->c);
    if (p->b)
        b->cublasLtMatrixLayoutDestroy(p->b);
    if (p->a)
        b->cublasLtMatrixLayoutDestroy(p->a);
    if (p->desc)
        b->cublasLtMatmulDescDestroy(p->desc);
}

int dsc_cuda_blas_gemm(struct dsc_cuda_blas *b, void *stream, const struct dsc_cuda_gemm *g,
                       void *c, const void *a, const void *bm, char *text, size_t n_bytes)
{
    const float alpha = (float)g->alpha, beta = (float)g->beta;
    const bool is_double = g->type == DSC_CUDA_F64;
    plan p = {};
    cublasStatus_t st = make_plan(b, &p, g);

    if (st == CUBLAS_STATUS_SUCCESS)
        st = b->cublasLtMatmul(
            b->handle, p.desc, is_double ? (const void *)&g->alpha : (const void *)&alpha, bm, p.a,
            a, p.b, is_double ? (const void *)&g->beta : (const void *)&beta, c, p.c, c, p.c,
            &p.best.algo, b->workspace, workspace_bytes, (cudaStream_t)stream);
    drop_plan(b, &p);
    if (st != CUBLAS_STATUS_SUCCESS)
        snprintf(text, n_bytes, "%s", b->cublasLtGetStatusString(st));
    return st;
}
