/* Tensors that point into mapped files. */
#include "model/mapped.h"

#include <string.h>

struct mapped_file {
    struct dsc_buffer buf;
    struct dsc_file file;
};

static void release_file(struct dsc_buffer *b)
{
    struct mapped_file *m = b->owner;

    dsc_file_close(&m->file);
    dsc_heap_free(m);
}

enum dsc_status mapped_buffer(struct dsc_file *f, struct dsc_buffer **b, struct dsc_err *err)
{
    struct mapped_file *m = dsc_heap_alloc(1, sizeof *m, err);

    if (!m) {
        dsc_file_close(f);
        return DSC_E_MEMORY;
    }
    m->file = *f;
    *f = (struct dsc_file){0};
    atomic_init(&m->buf.n_refs, 1);
    m->buf.data = (void *)(uintptr_t)m->file.data;
    m->buf.n_bytes = m->file.n_bytes;
    m->buf.release = release_file;
    m->buf.owner = m;
    *b = &m->buf;
    return DSC_OK;
}

enum dsc_status mapped_tensor(struct dsc_tensor *t, enum dsc_dtype dtype, int rank,
                              const int64_t *dim, const unsigned char *data,
                              struct dsc_buffer *owner, bool may_misalign, struct dsc_err *err)
{
    const size_t elem_bytes = ((size_t)dsc_dtype_bits(dtype) + 7) / 8;

    DSC_TRY(dsc_tensor_wrap(t, dtype, rank, dim, data, owner, err));
    if ((uintptr_t)data % elem_bytes == 0 || may_misalign)
        return DSC_OK;
    dsc_tensor_clear(t);
    DSC_TRY(dsc_tensor_new(t, dtype, rank, dim, err));
    memcpy(t->data, data, dsc_tensor_n_bytes(t));
    return DSC_OK;
}
