/* Tensors that point into mapped files. */
#include "model/mapped.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* What has been copied is not needed in memory a second time. Pages of a read-only mapping come
 * back from the file when they are touched again. */
static void forget_pages(const struct dsc_buffer *owner, const unsigned char *data, size_t n_bytes)
{
    const struct mapped_file *m = owner->release == release_file ? owner->owner : NULL;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)data + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)data + n_bytes) / page * page;

    if (m && m->file.is_mapped && end > first)
        (void)madvise((void *)first, end - first, MADV_DONTNEED);
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
    forget_pages(owner, data, dsc_tensor_n_bytes(t));
    return DSC_OK;
}
