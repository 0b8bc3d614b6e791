/* Reading .npz through libzip, with limits, and .npy files. */
#include "dsc/checked.h"
#include "formats_npz.h"
#include "npy.h"

#include <string.h>
#include <zip.h>

/* Deflated arrays lie in memory as a whole: small files do not fill it. */
enum { DEFLATE_MAX_RATIO = 1032, PLAIN_MAX_RATIO = 100, PLAIN_RATIO_BYTES = 64 << 20 };

static const size_t DEFAULT_MAX_BYTES = (size_t)16 << 30;

static enum dsc_status zip_class(int code)
{
    switch (code) {
    case ZIP_ER_NOZIP:
        return DSC_E_MAGIC;
    case ZIP_ER_CRC:
        return DSC_E_CRC;
    case ZIP_ER_MEMORY:
        return DSC_E_MEMORY;
    case ZIP_ER_EOF:
        return DSC_E_TRUNC;
    case ZIP_ER_COMPNOTSUPP:
    case ZIP_ER_ENCRNOTSUPP:
    case ZIP_ER_NOPASSWD:
    case ZIP_ER_MULTIDISK:
        return DSC_E_UNSUPPORTED;
    default:
        return DSC_E_INCONSISTENT;
    }
}

static enum dsc_status zip_fail(zip_error_t *e, struct dsc_err *err)
{
    return dsc_fail(err, zip_class(zip_error_code_zip(e)), "zip: %s", zip_error_strerror(e));
}

/* The directory is at the end: without it a file that begins like a zip was cut. */
static enum dsc_status open_fail(const void *data, size_t n_bytes, zip_error_t *e,
                                 struct dsc_err *err)
{
    if (n_bytes == 0)
        return dsc_fail(err, DSC_E_EMPTY, "the file is empty");
    if (zip_error_code_zip(e) == ZIP_ER_NOZIP && n_bytes >= 4 && memcmp(data, "PK\x03\x04", 4) == 0)
        return dsc_fail(err, DSC_E_TRUNC, "a zip file without its directory");
    return zip_fail(e, err);
}

static enum dsc_status get_zipped(void *ctx, void *dst, size_t n_bytes, struct dsc_err *err)
{
    zip_file_t *f = ctx;
    unsigned char *p = dst;

    while (n_bytes > 0) {
        const zip_int64_t got = zip_fread(f, p, n_bytes);

        if (got < 0)
            return zip_fail(zip_file_get_error(f), err);
        if (got == 0)
            return dsc_fail(err, DSC_E_TRUNC, "needs %zu more bytes", n_bytes);
        p += got;
        n_bytes -= (size_t)got;
    }
    return DSC_OK;
}

/* Nothing may follow, and reading the end is what checks the sum. */
static enum dsc_status expect_end(zip_file_t *f, struct dsc_err *err)
{
    char one;
    const zip_int64_t got = zip_fread(f, &one, 1);

    if (got < 0)
        return zip_fail(zip_file_get_error(f), err);
    return got == 0 ? DSC_OK
                    : dsc_fail(err, DSC_E_INCONSISTENT, "more bytes than the zip directory says");
}

/* Claims of the directory, before anything is allocated for them. */
static enum dsc_status check_entry(const zip_stat_t *s, size_t max_bytes, size_t *sum,
                                   struct dsc_err *err)
{
    const zip_uint64_t need = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;

    if ((s->valid & need) != need)
        return dsc_fail(err, DSC_E_INCONSISTENT, "a zip entry without name or size");
    if (s->comp_size < s->size / DEFLATE_MAX_RATIO)
        return dsc_fail(err, DSC_E_LIMIT, "%llu bytes from %llu: deflate cannot do that",
                        (unsigned long long)s->size, (unsigned long long)s->comp_size);
    if (s->size > PLAIN_RATIO_BYTES && s->comp_size < s->size / PLAIN_MAX_RATIO) {
        dsc_fail(err, DSC_E_LIMIT, "%llu bytes from %llu: over %d times as many, and over %d MiB",
                 (unsigned long long)s->size, (unsigned long long)s->comp_size, PLAIN_MAX_RATIO,
                 PLAIN_RATIO_BYTES >> 20);
        return dsc_err_hint(err, "np.savez stores arrays as they are");
    }
    if (s->size > max_bytes || !dsc_add_size(*sum, (size_t)s->size, sum) || *sum > max_bytes)
        return dsc_fail(err, DSC_E_LIMIT, "arrays of over %zu bytes", max_bytes);
    return DSC_OK;
}

/* "x.npy" without its ending, into the bundle's arena. */
static enum dsc_status entry_name(struct dsc_bundle *b, const char *file_name, char **name,
                                  struct dsc_err *err)
{
    const size_t n = strlen(file_name);

    if (n <= 4 || strcmp(file_name + n - 4, ".npy") != 0)
        return dsc_fail(err, DSC_E_SCHEMA, "an entry that is not NAME.npy");
    *name = dsc_arena_strndup(&b->arena, file_name, n - 4, err);
    return *name ? DSC_OK : DSC_E_MEMORY;
}

static enum dsc_status get_mapped(void *ctx, void *dst, size_t n_bytes, struct dsc_err *err)
{
    const void *p = dsc_rd_bytes(ctx, n_bytes);

    if (!p)
        return dsc_rd_status(ctx);
    memcpy(dst, p, n_bytes);
    return DSC_OK;
}

static const void *view_mapped(void *ctx, size_t n_bytes)
{
    return dsc_rd_bytes(ctx, n_bytes);
}

/*
 * Where stored entries lie. libzip does not say, so the local headers are walked in step with the
 * directory, as writers lay them down; what is found is compared with what libzip reads, and the
 * walk ends at the first entry that is elsewhere. data NULL: nothing is looked for.
 */
struct walk {
    const unsigned char *data;
    size_t n_bytes, pos;
};

static const unsigned char *find_stored(struct walk *w, const zip_stat_t *s)
{
    enum { HEADER_BYTES = 30, NAME_AT = 26 };
    const unsigned char *p = w->data ? w->data + w->pos : NULL;
    const size_t n_left = w->n_bytes - w->pos, n_name = strlen(s->name);
    const unsigned char *found = NULL;

    if (p && n_left > HEADER_BYTES && memcmp(p, "PK\x03\x04", 4) == 0) {
        const size_t n_own = p[NAME_AT] | (size_t)p[NAME_AT + 1] << 8;
        const size_t at = HEADER_BYTES + n_own + (p[NAME_AT + 2] | (size_t)p[NAME_AT + 3] << 8);

        if (n_own == n_name && at <= n_left && memcmp(p + HEADER_BYTES, s->name, n_name) == 0 &&
            s->comp_size <= n_left - at) {
            found = p + at;
            w->pos += at + (size_t)s->comp_size;
        }
    }
    if (!found)
        w->data = NULL;
    return s->comp_method == ZIP_CM_STORE && s->comp_size == s->size ? found : NULL;
}

/* Reads all of f, which checks its sum; are these the bytes at p? */
static enum dsc_status compare(zip_file_t *f, const unsigned char *p, size_t n_bytes, bool *is_same,
                               struct dsc_err *err)
{
    unsigned char block[16384];

    *is_same = true;
    while (n_bytes > 0) {
        const size_t n = n_bytes < sizeof block ? n_bytes : sizeof block;

        DSC_TRY(get_zipped(f, block, n, err));
        *is_same &= memcmp(block, p, n) == 0;
        p += n;
        n_bytes -= n;
    }
    return expect_end(f, err);
}

static enum dsc_status load_view(struct dsc_tensor *t, zip_file_t *f, const unsigned char *p,
                                 size_t n_bytes, struct dsc_err *err)
{
    struct dsc_npy_source src = {.get = get_mapped, .view = view_mapped, .n_left = n_bytes};
    struct dsc_err own = {0};
    struct dsc_err *e = err ? err : &own; /* the reader keeps its state in it */
    struct dsc_rd r;
    bool is_same;

    DSC_TRY(compare(f, p, n_bytes, &is_same, err));
    if (!is_same)
        return dsc_fail(err, DSC_E_INCONSISTENT, "two entries of one name");
    dsc_rd_init(&r, p, n_bytes, e);
    src.ctx = &r;
    return dsc_npy_load(t, &src, e);
}

static enum dsc_status load_copy(struct dsc_tensor *t, zip_file_t *f, size_t n_bytes,
                                 struct dsc_err *err)
{
    struct dsc_npy_source src = {.get = get_zipped, .ctx = f, .n_left = n_bytes};

    DSC_TRY(dsc_npy_load(t, &src, err));
    return expect_end(f, err);
}

static enum dsc_status read_entry(struct dsc_bundle *b, zip_t *zip, zip_uint64_t idx,
                                  size_t max_bytes, size_t *sum, struct walk *w,
                                  struct dsc_err *err)
{
    const unsigned char *stored;
    struct dsc_tensor t = {0};
    zip_stat_t s;
    zip_file_t *f;
    char *name = NULL;
    enum dsc_status st;

    if (zip_stat_index(zip, idx, 0, &s) != 0)
        return zip_fail(zip_get_error(zip), err);
    DSC_TRY(check_entry(&s, max_bytes, sum, err));
    DSC_TRY(entry_name(b, s.name, &name, err));
    f = zip_fopen_index(zip, idx, 0);
    if (!f)
        return zip_fail(zip_get_error(zip), err);
    stored = find_stored(w, &s);
    st = stored ? load_view(&t, f, stored, (size_t)s.size, err)
                : load_copy(&t, f, (size_t)s.size, err);
    if (st == DSC_OK)
        st = dsc_bundle_add(b, name, &t, err);
    dsc_tensor_clear(&t);
    zip_fclose(f);
    return st;
}

static enum dsc_status read_all(struct dsc_bundle *b, zip_t *zip, size_t max_bytes, struct walk *w,
                                struct dsc_err *err)
{
    const zip_int64_t n = zip_get_num_entries(zip, 0);
    size_t sum = 0;

    if (n <= 0)
        return dsc_fail(err, DSC_E_EMPTY, "no arrays");
    for (zip_int64_t i = 0; i < n; i++) {
        const enum dsc_status st = read_entry(b, zip, (zip_uint64_t)i, max_bytes, &sum, w, err);

        if (st != DSC_OK) {
            const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);

            dsc_err_where(err, "array '%.100s'", name ? name : "?");
            return st;
        }
    }
    return dsc_bundle_sort(b, err);
}

static enum dsc_status read_bytes(struct dsc_bundle *b, const void *data, size_t n_bytes,
                                  size_t max_bytes, struct walk w, struct dsc_err *err)
{
    zip_source_t *source;
    zip_t *zip = NULL;
    zip_error_t e;
    enum dsc_status st;

    dsc_bundle_init(b);
    zip_error_init(&e);
    source = zip_source_buffer_create(n_bytes ? data : "", n_bytes, 0, &e);
    if (source)
        zip = zip_open_from_source(source, ZIP_RDONLY, &e);
    if (!zip) {
        st = open_fail(data, n_bytes, &e, err);
        if (source)
            zip_source_free(source);
    } else {
        st = read_all(b, zip, max_bytes ? max_bytes : DEFAULT_MAX_BYTES, &w, err);
        zip_discard(zip);
    }
    zip_error_fini(&e);
    if (st != DSC_OK)
        dsc_bundle_clear(b);
    return st;
}

enum dsc_status dsc_npz_view_bytes(struct dsc_bundle *b, const void *data, size_t n_bytes,
                                   size_t max_bytes, struct dsc_err *err)
{
    return read_bytes(b, data, n_bytes, max_bytes, (struct walk){data, n_bytes, 0}, err);
}

enum dsc_status dsc_npz_read(struct dsc_bundle *b, const char *path, size_t max_bytes,
                             struct dsc_err *err)
{
    struct dsc_file file;
    enum dsc_status st;

    dsc_bundle_init(b);
    DSC_TRY(dsc_file_open(&file, path, 0, err));
    st = read_bytes(b, file.data, file.n_bytes, max_bytes, (struct walk){0}, err);
    dsc_file_close(&file);
    if (st != DSC_OK)
        dsc_err_file(err, path);
    return st;
}

enum dsc_status dsc_npy_read(struct dsc_tensor *t, const char *path, size_t max_bytes,
                             struct dsc_err *err)
{
    struct dsc_err own = {0};
    struct dsc_err *e = err ? err : &own; /* the reader keeps its state in it */
    struct dsc_npy_source src = {.get = get_mapped};
    struct dsc_file file;
    struct dsc_rd r;
    enum dsc_status st;

    *t = (struct dsc_tensor){0};
    DSC_TRY(dsc_file_open(&file, path, max_bytes, e));
    dsc_rd_init(&r, file.data, file.n_bytes, e);
    src.ctx = &r;
    src.n_left = file.n_bytes;
    st = dsc_npy_load(t, &src, e);
    dsc_file_close(&file);
    if (st != DSC_OK)
        dsc_err_file(e, path);
    return st;
}
