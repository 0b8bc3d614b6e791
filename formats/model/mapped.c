/* Tensors that point into mapped files. */
#include "model/mapped.h"

#include "formats_model.h"

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

static const struct mapped_file *file_of(const struct dsc_buffer *b)
{
    return b && b->release == release_file ? b->owner : NULL;
}

void dsc_model_forget(const struct dsc_graph *g)
{
    const struct mapped_file *last = NULL;

    for (int i = 0; i < g->n_values; i++) {
        const struct mapped_file *m = file_of(g->values[i].init.buf);

        if (m && m != last)
            dsc_file_forget(&m->file, 0, m->file.n_bytes);
        last = m ? m : last;
    }
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
    if (file_of(owner)) /* a second copy is not needed in memory */
        dsc_file_forget(&file_of(owner)->file, (size_t)(data - file_of(owner)->file.data),
                        dsc_tensor_n_bytes(t));
    return DSC_OK;
}
