/*
 * libhdf5 in its jail: the file is an image in memory, which its core driver reads where it lies.
 *
 * Source  HDF5 1.10 reference manual, H5Pset_file_image_callbacks
 */
#include "model/h5.h"
#include "model/jail.h"

#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One walk. */
struct walk {
    struct dsc_bytes *answer;
    struct dsc_arena arena;
    const struct h5_image *image;
    haddr_t *groups; /* [cap_groups], a hash table of places seen: each may be reached once */
    size_t n_groups, cap_groups; /* a power of two, at least twice as many */
    int n_objects, depth;
    char path[H5_MAX_NAME_BYTES];
    struct dsc_err *err;
};

/* ---- errors ---- */

static herr_t keep_innermost(unsigned n, const H5E_error2_t *e, void *ctx)
{
    *(H5E_error2_t *)ctx = *e; /* upward: the last one is where it began */
    return 0;
}

static enum dsc_status class_of(hid_t minor)
{
    const struct {
        hid_t minor;
        enum dsc_status status;
    } rows[] = {
        {H5E_TRUNCATED, DSC_E_TRUNC},      {H5E_VERSION, DSC_E_VERSION},
        {H5E_NOSPACE, DSC_E_LIMIT},        {H5E_CANTALLOC, DSC_E_LIMIT},
        {H5E_NOTHDF5, DSC_E_MAGIC},        {H5E_OVERFLOW, DSC_E_RANGE},
        {H5E_NOFILTER, DSC_E_UNSUPPORTED},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].minor == minor)
            return rows[i].status;
    return DSC_E_INCONSISTENT;
}

/* What libhdf5 says first. */
static enum dsc_status fail_h5(struct dsc_err *err, const char *where)
{
    H5E_error2_t e = {0};
    char why[160];
    size_t n = 0;

    H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep_innermost, &e);
    for (const char *p = e.desc ? e.desc : "not readable"; *p && n + 1 < sizeof why; p++)
        if (*p >= ' ' && *p < 0x7f)
            why[n++] = *p;
    why[n] = '\0';
    dsc_fail(err, class_of(e.min_num), "HDF5: %s", why);
    return where ? dsc_err_where(err, "object '%.100s'", where) : err->status;
}

static enum dsc_status fail_attribute(struct walk *w, const char *name)
{
    dsc_fail(w->err, DSC_E_LIMIT, "HDF5: a text of over 64 MiB");
    return dsc_err_where(w->err, "attribute '%.100s'", name);
}

static enum dsc_status fail_at(struct walk *w, enum dsc_status s, const char *what)
{
    dsc_fail(w->err, s, "HDF5: %s", what);
    return dsc_err_where(w->err, "object '%.100s'", w->path);
}

/* ---- the image ---- */

static void *image_malloc(size_t n, H5FD_file_image_op_t op, void *ctx)
{
    const struct h5_image *image = ctx;

    return n <= image->n_bytes ? (void *)(uintptr_t)image->data : NULL;
}

static void *image_memcpy(void *dst, const void *src, size_t n, H5FD_file_image_op_t op, void *ctx)
{
    return dst == src ? dst : NULL;
}

static void *image_realloc(void *p, size_t n, H5FD_file_image_op_t op, void *ctx)
{
    return NULL;
}

static herr_t image_free(void *p, H5FD_file_image_op_t op, void *ctx)
{
    return 0;
}

static void *image_copy_ctx(void *ctx)
{
    return ctx;
}

static herr_t image_free_ctx(void *ctx)
{
    return 0;
}

static hid_t open_image(const struct h5_image *image)
{
    H5FD_file_image_callbacks_t calls = {
        image_malloc,   image_memcpy,   image_realloc,           image_free,
        image_copy_ctx, image_free_ctx, (void *)(uintptr_t)image};
    hid_t plist;

    H5dont_atexit();
    H5PLset_loading_state(0);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    plist = H5Pcreate(H5P_FILE_ACCESS);
    if (plist < 0 || H5Pset_fapl_core(plist, 1 << 16, 0) < 0 ||
        H5Pset_file_image_callbacks(plist, &calls) < 0 ||
        H5Pset_file_image(plist, (void *)(uintptr_t)image->data, image->n_bytes) < 0)
        return -1;
    return H5Fopen("/image", H5F_ACC_RDONLY, plist); /* a close would forget the error */
}

/* ---- element types ---- */

struct float_layout {
    enum dsc_dtype dtype;
    size_t n_bytes, exp_at, exp_bits, bias;
};

static enum dsc_dtype float_type(hid_t type)
{
    static const struct float_layout rows[] = {
        {DSC_F16, 2, 10, 5, 15},
        {DSC_BF16, 2, 7, 8, 127},
        {DSC_F32, 4, 23, 8, 127},
        {DSC_F64, 8, 52, 11, 1023},
    };
    size_t sign_at = 0, exp_at = 0, exp_bits = 0, at = 0, n_bits = 0;
    const size_t n_bytes = H5Tget_size(type);

    if (H5Tget_fields(type, &sign_at, &exp_at, &exp_bits, &at, &n_bits) < 0 || at != 0 ||
        H5Tget_norm(type) != H5T_NORM_IMPLIED || H5Tget_offset(type) != 0)
        return DSC_DTYPE_NONE;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].n_bytes == n_bytes && rows[i].exp_at == exp_at && n_bits == exp_at &&
            rows[i].exp_bits == exp_bits && H5Tget_ebias(type) == rows[i].bias &&
            sign_at == 8 * n_bytes - 1)
            return rows[i].dtype;
    return DSC_DTYPE_NONE;
}

static enum dsc_dtype int_type(hid_t type)
{
    static const enum dsc_dtype rows[2][4] = {{DSC_U8, DSC_U16, DSC_U32, DSC_U64},
                                              {DSC_I8, DSC_I16, DSC_I32, DSC_I64}};
    const size_t n_bytes = H5Tget_size(type);

    if (H5Tget_precision(type) != 8 * n_bytes || H5Tget_offset(type) != 0)
        return DSC_DTYPE_NONE;
    for (int k = 0; k < 4; k++)
        if (n_bytes == (size_t)1 << k)
            return rows[H5Tget_sign(type) == H5T_SGN_2][k];
    return DSC_DTYPE_NONE;
}

/* h5py's bool: an enumeration of FALSE 0, TRUE 1 in a byte. */
static bool is_bool(hid_t type)
{
    signed char no = 1, yes = 0;

    return H5Tget_size(type) == 1 && H5Tget_nmembers(type) == 2 &&
           H5Tenum_valueof(type, "FALSE", &no) >= 0 && H5Tenum_valueof(type, "TRUE", &yes) >= 0 &&
           no == 0 && yes == 1;
}

static enum dsc_dtype dtype_of(hid_t type)
{
    switch (H5Tget_class(type)) {
    case H5T_FLOAT:
        return float_type(type);
    case H5T_INTEGER:
        return int_type(type);
    case H5T_ENUM:
        return is_bool(type) ? DSC_BOOL : DSC_DTYPE_NONE;
    default:
        return DSC_DTYPE_NONE;
    }
}

static const char *type_text(hid_t type, enum dsc_dtype dtype)
{
    static const char *const names[] = {
        [H5T_INTEGER] = "integer", [H5T_FLOAT] = "float",         [H5T_TIME] = "time",
        [H5T_STRING] = "string",   [H5T_BITFIELD] = "bitfield",   [H5T_OPAQUE] = "opaque",
        [H5T_COMPOUND] = "record", [H5T_REFERENCE] = "reference", [H5T_ENUM] = "enum",
        [H5T_VLEN] = "list",       [H5T_ARRAY] = "array",
    };
    const H5T_class_t c = H5Tget_class(type);

    if (dtype != DSC_DTYPE_NONE)
        return dsc_dtype_text(dtype);
    return c >= 0 && (size_t)c < sizeof names / sizeof names[0] ? names[c] : "unknown";
}

/* ---- datasets ---- */

/* Where the values come from is this file alone, by filters that are part of the library. */
static enum dsc_status check_layout(struct walk *w, hid_t plist)
{
    static const H5Z_filter_t known[] = {H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE,
                                         H5Z_FILTER_FLETCHER32};
    const int n_filters = H5Pget_nfilters(plist);

    if (H5Pget_layout(plist) == H5D_VIRTUAL)
        return fail_at(w, DSC_E_PATH, "a virtual dataset: its values are in other files");
    if (H5Pget_external_count(plist) != 0)
        return fail_at(w, DSC_E_PATH, "external storage: its values are in other files");
    for (int i = 0; i < n_filters; i++) {
        unsigned flags, config;
        size_t n_values = 0;
        char name[64] = "", text[128];
        const H5Z_filter_t f =
            H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, NULL, sizeof name, name, &config);
        bool is_known = false;

        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            is_known |= f == known[k];
        if (is_known)
            continue;
        name[sizeof name - 1] = '\0';
        for (char *p = name; *p; p++)
            *p = *p < ' ' || *p >= 0x7f ? '?' : *p;
        snprintf(text, sizeof text, "the filter %d (%s) is not one that is read", (int)f, name);
        return fail_at(w, DSC_E_UNSUPPORTED, text);
    }
    return DSC_OK;
}

/* The dims of a dataspace; a null space has no elements. */
static enum dsc_status get_dims(struct walk *w, hid_t space, int *rank, hsize_t dim[DSC_MAX_RANK])
{
    *rank = H5Sget_simple_extent_ndims(space);
    if (*rank < 0)
        return fail_h5(w->err, w->path);
    if (*rank > DSC_MAX_RANK)
        return fail_at(w, DSC_E_LIMIT, "more than 8 axes");
    if (H5Sget_simple_extent_type(space) == H5S_NULL) {
        *rank = 1;
        dim[0] = 0;
        return DSC_OK;
    }
    return H5Sget_simple_extent_dims(space, dim, NULL) < 0 ? fail_h5(w->err, w->path) : DSC_OK;
}

static enum dsc_status put_dataset(struct walk *w, hid_t set, hid_t type, hid_t space, hid_t plist)
{
    const enum dsc_dtype dtype = dtype_of(type);
    const bool is_plain = H5Pget_layout(plist) == H5D_CONTIGUOUS &&
                          (H5Tget_size(type) == 1 || H5Tget_order(type) == H5T_ORDER_LE);
    const char *text = type_text(type, dtype);
    const haddr_t at = is_plain ? H5Dget_offset(set) : HADDR_UNDEF;
    hsize_t dim[DSC_MAX_RANK];
    int rank;

    DSC_TRY(check_layout(w, plist));
    DSC_TRY(get_dims(w, space, &rank, dim));
    jail_put_number(w->answer, H5_RECORD_TENSOR, 1);
    jail_put_text(w->answer, w->path, strlen(w->path));
    jail_put_text(w->answer, text, strlen(text));
    jail_put_number(w->answer, (uint64_t)dtype, 1);
    jail_put_number(w->answer, (uint64_t)rank, 1);
    for (int i = 0; i < rank; i++)
        jail_put_number(w->answer, dim[i], 8);
    jail_put_number(w->answer, H5Dget_storage_size(set), 8);
    jail_put_number(w->answer, at == HADDR_UNDEF ? H5_NOWHERE : at, 8);
    return DSC_OK;
}

static enum dsc_status list_dataset(struct walk *w, hid_t set)
{
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    const hid_t plist = H5Dget_create_plist(set);
    const enum dsc_status st = type < 0 || space < 0 || plist < 0
                                   ? fail_h5(w->err, w->path)
                                   : put_dataset(w, set, type, space, plist);

    H5Pclose(plist);
    H5Sclose(space);
    H5Tclose(type);
    return st;
}

/* ---- attributes ---- */

static enum dsc_status put_meta(struct walk *w, const char *name, const char *text, size_t n)
{
    jail_put_number(w->answer, H5_RECORD_META, 1);
    jail_put_text(w->answer, name, strlen(name));
    jail_put_text(w->answer, text, n);
    return DSC_OK;
}

/* Of fixed length, or a pointer to what libhdf5 has allocated. */
static enum dsc_status put_attribute(struct walk *w, const char *name, hid_t a, hid_t type)
{
    const hid_t own = H5Tcopy(type); /* the file's character set and padding */
    enum dsc_status st = DSC_OK;

    if (H5Tis_variable_str(type) > 0) {
        char *text = NULL;

        if (H5Aread(a, own, &text) < 0)
            st = fail_h5(w->err, name);
        else if (text && strlen(text) > H5_MAX_TEXT_BYTES)
            st = fail_attribute(w, name);
        else
            st = put_meta(w, name, text ? text : "", text ? strlen(text) : 0);
        H5free_memory(text);
    } else {
        const size_t n = H5Tget_size(type);
        char *text = n <= H5_MAX_TEXT_BYTES ? dsc_heap_alloc(n + 1, 1, w->err) : NULL;

        if (n > H5_MAX_TEXT_BYTES)
            st = fail_attribute(w, name);
        else if (!text)
            st = DSC_E_MEMORY;
        else if (H5Aread(a, own, text) < 0)
            st = fail_h5(w->err, name);
        else
            st = put_meta(w, name, text, strnlen(text, n));
        dsc_heap_free(text);
    }
    H5Tclose(own);
    return st;
}

static herr_t list_attribute(hid_t root, const char *name, const H5A_info_t *info, void *ctx)
{
    struct walk *w = ctx;
    const hid_t a = H5Aopen(root, name, H5P_DEFAULT), type = H5Aget_type(a);
    const hid_t space = H5Aget_space(a);
    enum dsc_status st = DSC_OK;

    if (a < 0 || type < 0 || space < 0)
        st = fail_h5(w->err, name);
    else if (H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_type(space) == H5S_SCALAR)
        st = put_attribute(w, name, a, type);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(a);
    return st == DSC_OK ? 0 : -1;
}

/* ---- groups ---- */

/* Where a group's place stands in the table, or belongs; 0 is no group's. */
static haddr_t *find_group(const struct walk *w, haddr_t at)
{
    size_t i = (size_t)(at * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (w->cap_groups - 1);

    while (w->groups[i] != 0 && w->groups[i] != at)
        i = (i + 1) & (w->cap_groups - 1);
    return &w->groups[i];
}

static enum dsc_status grow_groups(struct walk *w)
{
    const struct walk old = *w;

    w->cap_groups = old.cap_groups ? 2 * old.cap_groups : 64;
    DSC_NEW(w->groups, &w->arena, w->cap_groups, w->err);
    for (size_t i = 0; i < old.cap_groups; i++)
        if (old.groups[i] != 0)
            *find_group(w, old.groups[i]) = old.groups[i];
    return DSC_OK;
}

static enum dsc_status enter_group(struct walk *w, haddr_t at)
{
    haddr_t *place;

    if (w->depth == H5_MAX_DEPTH)
        return fail_at(w, DSC_E_LIMIT, "groups in groups, 32 deep");
    if (2 * (w->n_groups + 1) > w->cap_groups)
        DSC_TRY(grow_groups(w));
    place = find_group(w, at);
    if (*place != 0)
        return fail_at(w, DSC_E_ALIAS, "a group that stands at two places");
    *place = at;
    w->n_groups++;
    return DSC_OK;
}

static enum dsc_status list_group(struct walk *w, hid_t group);

static enum dsc_status list_object(struct walk *w, hid_t group, const char *name)
{
    const hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    enum dsc_status st;

    if (object < 0)
        return fail_h5(w->err, w->path);
    st = H5Iget_type(object) == H5I_DATASET ? list_dataset(w, object)
         : H5Iget_type(object) == H5I_GROUP ? list_group(w, object)
                                            : DSC_OK; /* a named type */
    H5Oclose(object);
    return st;
}

static enum dsc_status follow_link(struct walk *w, hid_t group, const char *name, H5L_type_t type)
{
    const size_t n_path = strlen(w->path), left = sizeof w->path - n_path;
    enum dsc_status st;

    if ((size_t)snprintf(w->path + n_path, left, "%s%s", n_path ? "/" : "", name) >= left)
        st = fail_at(w, DSC_E_LIMIT, "a name of over 1024 bytes");
    else if (++w->n_objects > H5_MAX_OBJECTS)
        st = fail_at(w, DSC_E_LIMIT, "over 2^20 objects");
    else if (type == H5L_TYPE_EXTERNAL)
        st = fail_at(w, DSC_E_PATH, "an external link: the object is in another file");
    else if (type != H5L_TYPE_HARD)
        st = fail_at(w, DSC_E_UNSUPPORTED, "a link by name");
    else
        st = list_object(w, group, name);
    w->path[n_path] = '\0';
    return st;
}

static herr_t on_link(hid_t group, const char *name, const H5L_info_t *info, void *ctx)
{
    return follow_link(ctx, group, name, info->type) == DSC_OK ? 0 : -1;
}

static enum dsc_status list_group(struct walk *w, hid_t group)
{
    H5O_info_t info;

    if (H5Oget_info(group, &info) < 0)
        return fail_h5(w->err, w->path);
    DSC_TRY(enter_group(w, info.addr));
    w->depth++;
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, on_link, w) < 0 &&
        w->err->status == DSC_OK)
        return fail_h5(w->err, w->path);
    w->depth--;
    return w->err->status;
}

static enum dsc_status list_root(struct walk *w, hid_t root)
{
    if (H5Aiterate2(root, H5_INDEX_NAME, H5_ITER_INC, NULL, list_attribute, w) < 0 &&
        w->err->status == DSC_OK)
        return fail_h5(w->err, "/");
    DSC_TRY(w->err->status);
    return list_group(w, root);
}

enum dsc_status h5_child_list(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    struct walk w = {.answer = answer, .image = ctx, .err = err};
    const hid_t file = open_image(ctx);
    const hid_t root = file < 0 ? -1 : H5Gopen2(file, "/", H5P_DEFAULT);

    if (file < 0 || root < 0)
        return fail_h5(err, NULL);
    dsc_arena_init(&w.arena);
    return list_root(&w, root); /* the process ends: nothing is closed */
}

enum dsc_status h5_child_load(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    const struct h5_want *want = ctx;
    const hid_t file = open_image(&want->image);
    const hid_t set = file < 0 ? -1 : H5Dopen2(file, want->name, H5P_DEFAULT);
    const hid_t type = set < 0 ? -1 : H5Dget_type(set), space = set < 0 ? -1 : H5Dget_space(set);
    const hid_t own = type < 0 ? -1 : H5Tcopy(type);
    hssize_t n_elems;

    if (own < 0 || space < 0)
        return fail_h5(err, want->name);
    n_elems = H5Sget_simple_extent_npoints(space);
    if (n_elems < 0 || (uint64_t)n_elems * H5Tget_size(type) != want->n_bytes)
        return dsc_fail(err, DSC_E_INCONSISTENT, "HDF5: other sizes at the second look");
    if (H5Tget_size(type) > 1 && H5Tget_class(type) != H5T_ENUM &&
        H5Tset_order(own, H5T_ORDER_LE) < 0)
        return fail_h5(err, want->name);
    return H5Dread(set, own, H5S_ALL, H5S_ALL, H5P_DEFAULT, want->dst) < 0
               ? fail_h5(err, want->name)
               : DSC_OK;
}
