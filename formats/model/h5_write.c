/*
 * Tensors to HDF5: contiguous little-endian datasets, one after another, without times of creation:
 * the same tensors give the same bytes. A '/' in a name makes groups.
 *
 * Source  HDF5 1.10 reference manual
 */
#include "model/h5.h"

#include <errno.h>
#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One file being written. */
struct writer {
    hid_t file, links, sets;
    struct dsc_err *err;
};

static enum dsc_status fail_write(const struct writer *w, const char *name)
{
    const int why = errno;

    if (why == ENOSPC || why == EDQUOT)
        dsc_fail(w->err, DSC_E_NOSPACE, "HDF5: %s", strerror(why));
    else
        dsc_fail(w->err, DSC_E_IO, "HDF5 cannot write it%s%s", why ? ": " : "",
                 why ? strerror(why) : "");
    return name ? dsc_err_where(w->err, "tensor '%.100s'", name) : w->err->status;
}

/* ---- types ---- */

/* A float of 2 bytes: sign, exponent from exp_at on, mantissa below. */
static hid_t make_half(size_t exp_at, size_t exp_bits, size_t bias)
{
    const hid_t t = H5Tcopy(H5T_IEEE_F32LE);

    if (t >= 0 && (H5Tset_fields(t, 15, exp_at, exp_bits, 0, exp_at) < 0 || H5Tset_size(t, 2) < 0 ||
                   H5Tset_ebias(t, bias) < 0)) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

/* As h5py writes booleans. */
static hid_t make_bool(void)
{
    const hid_t t = H5Tenum_create(H5T_STD_I8LE);
    const signed char no = 0, yes = 1;

    if (t >= 0 && (H5Tenum_insert(t, "FALSE", &no) < 0 || H5Tenum_insert(t, "TRUE", &yes) < 0)) {
        H5Tclose(t);
        return -1;
    }
    return t;
}

/* The file's type, the caller's to close; negative: there is none. */
static hid_t make_type(enum dsc_dtype dtype)
{
    switch (dtype) {
    case DSC_F16:
        return make_half(10, 5, 15);
    case DSC_BF16:
        return make_half(7, 8, 127);
    case DSC_BOOL:
        return make_bool();
    case DSC_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case DSC_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case DSC_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case DSC_I16:
        return H5Tcopy(H5T_STD_I16LE);
    case DSC_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case DSC_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case DSC_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case DSC_U16:
        return H5Tcopy(H5T_STD_U16LE);
    case DSC_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case DSC_U64:
        return H5Tcopy(H5T_STD_U64LE);
    default:
        return -1;
    }
}

/* Names begin at the root with and without a '/': "/Constant_1" is read as "Constant_1". */
static const char *from_root(const char *name)
{
    return name + (name[0] == '/');
}

/* Parts between '/' have to be names: HDF5 would take "a//b" and "./a" as others. */
static bool is_name(const char *name)
{
    for (const char *part = from_root(name);; part++) {
        const size_t n = strcspn(part, "/");

        if (n == 0 || (n == 1 && part[0] == '.'))
            return false;
        part += n;
        if (!*part)
            return true;
    }
}

enum dsc_status dsc_h5_fit(const struct dsc_stored *s, struct dsc_err *err)
{
    if (s->dtype == DSC_DTYPE_NONE || dsc_dtype_bits(s->dtype) < 8)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "HDF5 has no type %s", s->type);
    if (!is_name(s->name) || strlen(s->name) >= H5_MAX_NAME_BYTES)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "HDF5 has no such name");
    return DSC_OK;
}

/* ---- the file ---- */

static enum dsc_status put_values(struct writer *w, const struct dsc_stored *s,
                                  const struct dsc_tensor *t)
{
    const hid_t type = make_type(s->dtype);
    hsize_t dim[DSC_MAX_RANK];
    hid_t space, set = -1;
    bool is_done = false;

    for (int i = 0; i < s->rank; i++)
        dim[i] = (hsize_t)s->dim[i];
    space = s->rank ? H5Screate_simple(s->rank, dim, NULL) : H5Screate(H5S_SCALAR);
    if (type >= 0 && space >= 0)
        set = H5Dcreate2(w->file, s->name, type, space, w->links, w->sets, H5P_DEFAULT);
    if (set >= 0)
        is_done = H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, t->data ? t->data : "") >= 0;
    if (set >= 0)
        is_done &= H5Dclose(set) >= 0;
    H5Sclose(space);
    H5Tclose(type);
    return is_done ? DSC_OK : fail_write(w, s->name);
}

static enum dsc_status put_texts(struct writer *w, const struct dsc_tensor_source *src)
{
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    bool is_done = type >= 0 && space >= 0 && H5Tset_size(type, H5T_VARIABLE) >= 0 &&
                   H5Tset_cset(type, H5T_CSET_UTF8) >= 0;

    for (int i = 0; i < src->n_meta && is_done; i++) {
        const hid_t a =
            H5Acreate2(w->file, src->meta[i].key, type, space, H5P_DEFAULT, H5P_DEFAULT);

        is_done = a >= 0 && H5Awrite(a, type, &src->meta[i].value) >= 0;
        H5Aclose(a);
    }
    H5Sclose(space);
    H5Tclose(type);
    return is_done ? DSC_OK : fail_write(w, NULL);
}

static enum dsc_status put_all(struct writer *w, const struct dsc_tensor_source *src)
{
    for (int i = 0; i < src->n; i++) {
        struct dsc_tensor t = {0};
        enum dsc_status st;

        if (src->load(src->ctx, i, &t, w->err) != DSC_OK)
            return dsc_err_where(w->err, "tensor '%.100s'", src->items[i].name);
        errno = 0;
        st = put_values(w, &src->items[i], &t);
        dsc_tensor_clear(&t);
        DSC_TRY(st);
        if (src->done)
            src->done(src->ctx, i, INFINITY);
    }
    return put_texts(w, src);
}

static enum dsc_status write_file(const struct dsc_tensor_source *src, const char *path,
                                  struct dsc_err *err)
{
    struct writer w = {.err = err};
    const hid_t root = H5Pcreate(H5P_FILE_CREATE);
    enum dsc_status st;

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5Pset_obj_track_times(root, 0);
    w.links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(w.links, 1);
    H5Pset_char_encoding(w.links, H5T_CSET_UTF8);
    w.sets = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(w.sets, 0);
    errno = 0;
    w.file = H5Fcreate(path, H5F_ACC_TRUNC, root, H5P_DEFAULT);
    st = w.file < 0 ? fail_write(&w, NULL) : put_all(&w, src);
    if (w.file >= 0 && H5Fclose(w.file) < 0 && st == DSC_OK)
        st = fail_write(&w, NULL);
    H5Pclose(w.sets);
    H5Pclose(w.links);
    H5Pclose(root);
    return st;
}

enum dsc_status dsc_h5_write(const struct dsc_tensor_source *src, const char *path,
                             bool may_replace, uint64_t *size_bytes, struct dsc_err *err)
{
    struct dsc_out out = {.fd = -1};
    uint64_t n_bytes = 0;
    enum dsc_status st;

    if (dsc_out_is_special(path))
        return dsc_fail(err, DSC_E_USAGE, "HDF5 is written to a file, not to a stream");
    DSC_TRY(dsc_out_open(&out, path, may_replace, err));
    DSC_TRY_OUT(st, write_file(src, out.temp_path, err));
    DSC_TRY_OUT(st, dsc_out_flush(&out, err));
    DSC_TRY_OUT(st, dsc_source_read_back(src, out.temp_path, &n_bytes, err));
    st = dsc_out_commit(&out, err);
    if (size_bytes)
        *size_bytes = n_bytes;
out:
    dsc_out_abort(&out);
    if (st != DSC_OK)
        dsc_err_file(err, path);
    return st;
}
