/*
 * NumPy's archives of arrays as a file of tensors, and single arrays: formats_npz.h reads them.
 */
#include "formats_model.h"
#include "formats_npz.h"
#include "formats_text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* By its name: other formats are zip archives, too. */
static bool probe(const struct dsc_probe *p)
{
    return !p->is_folder && (dsc_ends_with(p->path, ".npz") || dsc_ends_with(p->path, ".npy"));
}

/* The one array of a .npy file has the file's name. */
static enum dsc_status read_array(struct dsc_bundle *b, const char *path, struct dsc_err *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    char *name = dsc_arena_strndup(&b->arena, base, strlen(base) - strlen(".npy"), err);
    struct dsc_tensor t;
    enum dsc_status st;

    if (!name)
        return DSC_E_MEMORY;
    DSC_TRY(dsc_npy_read(&t, path, 0, err));
    st = dsc_bundle_add(b, name[0] ? name : "array", &t, err);
    dsc_tensor_clear(&t);
    return st;
}

static enum dsc_status read(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err)
{
    struct stat st;

    (void)o;
    if (stat(path, &st) != 0) {
        dsc_fail(err, DSC_E_NOINPUT, "cannot read: %s", strerror(errno));
        return dsc_err_file(err, path);
    }
    m->size_bytes = (uint64_t)st.st_size;
    return dsc_ends_with(path, ".npz") ? dsc_npz_read(&m->tensors, path, 0, err)
                                       : read_array(&m->tensors, path, err);
}

const struct dsc_format dsc_format_npz = {
    .name = "npz",
    .text = "NumPy arrays, .npz or .npy (tensors alone)",
    .probe = probe,
    .read = read,
};
