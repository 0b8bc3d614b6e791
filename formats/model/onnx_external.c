/*
 * External data: `location` is a path below the model's folder, walked one component at a time
 * without following links, so that a model cannot name a file outside of it.
 */
#include "model/mapped.h"
#include "model/onnx_in.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct onnx_mapping {
    char *location;
    struct dsc_buffer *buf;
    struct onnx_mapping *next;
};

static enum dsc_status path_fail(struct onnx_in *in, const char *location, const char *why)
{
    return dsc_fail(in->err, DSC_E_PATH, "external data at '%s': %s", location, why);
}

/* Absolute paths, empty and dotted components: refused before the file system is asked. */
static enum dsc_status check_location(struct onnx_in *in, const char *location)
{
    const char *p = location;

    if (!in->path || strcmp(in->path, "-") == 0)
        return path_fail(in, location, "there is no folder to look in");
    if (*p == '\0' || *p == '/' || strchr(p, '\\'))
        return path_fail(in, location, "not a path below the model's folder");
    while (*p) {
        const size_t n = strcspn(p, "/");

        if (n == 0 || (n == 2 && p[0] == '.' && p[1] == '.'))
            return path_fail(in, location, "leaves the model's folder");
        p += n;
        p += *p == '/';
    }
    return DSC_OK;
}

static int open_folder_of(const char *path, struct onnx_in *in)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? dsc_arena_strndup(&in->tmp, path, (size_t)(slash - path) + 1, in->err)
                      : dsc_arena_strdup(&in->tmp, ".", in->err);

    return dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

/* The file below `dir_fd`, which is closed. */
static enum dsc_status open_below(struct onnx_in *in, int dir_fd, const char *location, int *fd)
{
    char *part = dsc_arena_strdup(&in->tmp, location, in->err), *slash;

    *fd = -1;
    while (part && dir_fd >= 0 && (slash = strchr(part, '/')) != NULL) {
        int next;

        *slash = '\0';
        next = openat(dir_fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(dir_fd);
        dir_fd = next;
        part = slash + 1;
    }
    if (part && dir_fd >= 0)
        *fd = openat(dir_fd, part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0 && part) {
        const int e = errno;

        if (e == ELOOP || e == ENOTDIR)
            path_fail(in, location, "goes through a link");
        else
            dsc_fail(in->err, DSC_E_NOINPUT, "cannot open external data '%s': %s", location,
                     strerror(e));
    }
    if (dir_fd >= 0)
        close(dir_fd);
    return in->err->status;
}

static enum dsc_status map_fd(struct onnx_in *in, int fd, const char *location,
                              struct dsc_buffer **buf)
{
    struct dsc_file f = {.is_mapped = true};
    struct stat st;
    void *p;

    if (fstat(fd, &st) != 0)
        return dsc_fail(in->err, DSC_E_NOINPUT, "cannot read external data '%s': %s", location,
                        strerror(errno));
    if (!S_ISREG(st.st_mode))
        return path_fail(in, location, "not a regular file");
    if (st.st_nlink != 1)
        return path_fail(in, location, "the file has other names (hard links)");
    if (st.st_size == 0)
        return dsc_fail(in->err, DSC_E_TRUNC, "external data '%s' are empty", location);
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return dsc_fail(in->err, DSC_E_MEMORY, "cannot map external data '%s': %s", location,
                        strerror(errno));
    f.data = p;
    f.n_bytes = (size_t)st.st_size;
    return mapped_buffer(&f, buf, in->err);
}

static enum dsc_status find_mapping(struct onnx_in *in, const char *location,
                                    struct dsc_buffer **buf)
{
    struct onnx_mapping *m = in->mappings;
    enum dsc_status st;
    int fd;

    while (m && strcmp(m->location, location) != 0)
        m = m->next;
    if (m) {
        *buf = m->buf;
        return DSC_OK;
    }
    DSC_TRY(check_location(in, location));
    DSC_NEW(m, &in->tmp, 1, in->err);
    m->location = dsc_arena_strdup(&in->tmp, location, in->err);
    if (!m->location)
        return DSC_E_MEMORY;
    DSC_TRY(open_below(in, open_folder_of(in->path, in), location, &fd));
    st = map_fd(in, fd, location, &m->buf);
    close(fd);
    DSC_TRY(st);
    m->next = in->mappings;
    in->mappings = m;
    in->external_bytes += m->buf->n_bytes;
    *buf = m->buf;
    return DSC_OK;
}

void onnx_external_close(struct onnx_in *in)
{
    for (; in->mappings; in->mappings = in->mappings->next)
        dsc_buffer_unref(in->mappings->buf);
}

/* Decimal digits only; false when there are others or the number does not fit. */
static bool parse_u64(const char *text, uint64_t *v)
{
    *v = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(*v, 10u, v) ||
            __builtin_add_overflow(*v, (uint64_t)(*text - '0'), v))
            return false;
    }
    return true;
}

struct place {
    const char *location, *offset, *length;
};

static enum dsc_status read_place(struct onnx_in *in, struct dsc_rd msg, struct place *p)
{
    struct wire_field f, g;

    while (wire_next(&msg, &f)) {
        const char *key = "", *value = "";
        struct dsc_rd entry;

        if (f.number != TENSOR_EXTERNAL)
            continue;
        entry = wire_bytes(&msg, &f);
        while (wire_next(&entry, &g)) {
            if (g.number == PROP_KEY)
                key = wire_text(&entry, &g, &in->tmp);
            else if (g.number == PROP_VALUE)
                value = wire_text(&entry, &g, &in->tmp);
        }
        DSC_TRY(dsc_rd_status(&entry));
        if (strcmp(key, "location") == 0)
            p->location = value;
        else if (strcmp(key, "offset") == 0)
            p->offset = value;
        else if (strcmp(key, "length") == 0)
            p->length = value;
    }
    DSC_TRY(dsc_rd_status(&msg));
    if (!p->location)
        return dsc_fail(in->err, DSC_E_SCHEMA, "external data without a location");
    return DSC_OK;
}

enum dsc_status onnx_external_bytes(struct onnx_in *in, struct dsc_rd msg, uint64_t n_bytes,
                                    const unsigned char **data, struct dsc_buffer **owner)
{
    struct place p = {0};
    uint64_t offset = 0, length = n_bytes;

    DSC_TRY(read_place(in, msg, &p));
    if ((p.offset && !parse_u64(p.offset, &offset)) || (p.length && !parse_u64(p.length, &length)))
        return dsc_fail(in->err, DSC_E_RANGE, "offset '%s' or length '%s' of external data",
                        p.offset ? p.offset : "", p.length ? p.length : "");
    if (length != n_bytes)
        return dsc_fail(in->err, length < n_bytes ? DSC_E_TRUNC : DSC_E_INCONSISTENT,
                        "external data of %" PRIu64 " bytes for a shape of %" PRIu64, length,
                        n_bytes);
    DSC_TRY(find_mapping(in, p.location, owner));
    if (offset > (*owner)->n_bytes || n_bytes > (*owner)->n_bytes - offset)
        return dsc_fail(in->err, DSC_E_TRUNC,
                        "external data '%s' have %zu bytes, the tensor needs %" PRIu64
                        " at %" PRIu64,
                        p.location, (*owner)->n_bytes, n_bytes, offset);
    *data = (const unsigned char *)(*owner)->data + offset;
    return DSC_OK;
}
