/* Mapped files and the bounded reader. */
#include "dsc/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static enum dsc_status read_stream(struct dsc_file *f, int fd, size_t max_bytes,
                                   struct dsc_err *err)
{
    unsigned char *buf = NULL;
    size_t n = 0, cap = 0;

    for (;;) {
        ssize_t got;

        if (n == cap) {
            unsigned char *grown;

            cap = cap ? cap * 2 : 65536;
            grown = dsc_heap_grow(buf, cap, 1, err);
            if (!grown) {
                dsc_heap_free(buf);
                return DSC_E_MEMORY;
            }
            buf = grown;
        }
        got = read(fd, buf + n, cap - n); /* EINTR: a handler asks the program to stop */
        if (got < 0 || n + (size_t)(got > 0 ? got : 0) > max_bytes) {
            dsc_heap_free(buf);
            return got < 0 ? dsc_fail(err, DSC_E_NOINPUT, "cannot read: %s", strerror(errno))
                           : dsc_fail(err, DSC_E_LIMIT, "stream of over %zu bytes", max_bytes);
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    f->data = buf;
    f->n_bytes = n;
    return DSC_OK;
}

static enum dsc_status map_regular(struct dsc_file *f, int fd, size_t n_bytes, struct dsc_err *err)
{
    void *p;

    if (n_bytes == 0)
        return DSC_OK;
    p = mmap(NULL, n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return dsc_fail(err, DSC_E_MEMORY, "cannot map %zu bytes: %s", n_bytes, strerror(errno));
    f->data = p;
    f->n_bytes = n_bytes;
    f->is_mapped = true;
    return DSC_OK;
}

enum dsc_status dsc_file_open(struct dsc_file *f, const char *path, size_t max_bytes,
                              struct dsc_err *err)
{
    struct stat st;
    enum dsc_status s;
    int fd;

    *f = (struct dsc_file){0};
    fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
    if (fd < 0 || fstat(fd, &st) != 0) {
        dsc_fail(err, DSC_E_NOINPUT, "cannot open: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return dsc_err_file(err, path), DSC_E_NOINPUT;
    }
    if (S_ISDIR(st.st_mode))
        s = dsc_fail(err, DSC_E_NOINPUT, "is a directory");
    else if (!S_ISREG(st.st_mode))
        s = read_stream(f, fd, max_bytes ? max_bytes : (size_t)1 << 30, err);
    else if (max_bytes && (uint64_t)st.st_size > max_bytes)
        s = dsc_fail(err, DSC_E_LIMIT, "file of %lld bytes, limit %zu", (long long)st.st_size,
                     max_bytes);
    else
        s = map_regular(f, fd, (size_t)st.st_size, err);
    close(fd);
    if (s != DSC_OK)
        dsc_err_file(err, path);
    return s;
}

/* Pages of a read-only mapping come from the file again; those that lie in part outside stay. */
void dsc_file_forget(const struct dsc_file *f, size_t at, size_t n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), data = (uintptr_t)f->data + at;
    const uintptr_t first = (data + page - 1) / page * page;
    const uintptr_t end = at + n == f->n_bytes ? data + n : (data + n) / page * page;

    if (f->is_mapped && end > first)
        (void)madvise((void *)first, end - first, MADV_DONTNEED);
}

void dsc_file_close(struct dsc_file *f)
{
    if (f->is_mapped)
        munmap((void *)(uintptr_t)f->data, f->n_bytes);
    else
        dsc_heap_free((void *)(uintptr_t)f->data);
    *f = (struct dsc_file){0};
}

void dsc_rd_init(struct dsc_rd *r, const void *data, size_t n_bytes, struct dsc_err *err)
{
    *r = (struct dsc_rd){.data = data, .n_bytes = n_bytes, .err = err};
}

enum dsc_status dsc_rd_status(const struct dsc_rd *r)
{
    return r->err->status;
}

enum dsc_status dsc_rd_fail(struct dsc_rd *r, enum dsc_status s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    s = dsc_vfail(r->err, s, fmt, ap);
    va_end(ap);
    dsc_err_where(r->err, "byte %zu", r->base + r->pos);
    r->pos = r->n_bytes;
    return s;
}

size_t dsc_rd_left(const struct dsc_rd *r)
{
    return r->err->status == DSC_OK ? r->n_bytes - r->pos : 0;
}

const void *dsc_rd_bytes(struct dsc_rd *r, size_t n_bytes)
{
    const void *p;

    if (r->err->status != DSC_OK)
        return NULL;
    if (n_bytes > r->n_bytes - r->pos) {
        dsc_rd_fail(r, DSC_E_TRUNC, "needs %zu more bytes, %zu are left", n_bytes,
                    r->n_bytes - r->pos);
        return NULL;
    }
    p = r->data ? r->data + r->pos : (const unsigned char *)"";
    r->pos += n_bytes;
    return p;
}

void dsc_rd_skip(struct dsc_rd *r, size_t n_bytes)
{
    (void)dsc_rd_bytes(r, n_bytes);
}

struct dsc_rd dsc_rd_sub(struct dsc_rd *r, size_t n_bytes)
{
    const size_t at = r->base + r->pos;
    const void *p = dsc_rd_bytes(r, n_bytes);

    return (struct dsc_rd){.data = p, .n_bytes = p ? n_bytes : 0, .base = at, .err = r->err};
}

void dsc_rd_magic(struct dsc_rd *r, const char *magic, size_t n_bytes)
{
    if (r->err->status != DSC_OK)
        return;
    if (n_bytes > r->n_bytes - r->pos || memcmp(r->data + r->pos, magic, n_bytes) != 0)
        dsc_rd_fail(r, DSC_E_MAGIC, "not a file of this format");
    else
        r->pos += n_bytes;
}

static uint64_t read_le(struct dsc_rd *r, size_t n_bytes)
{
    const unsigned char *p = dsc_rd_bytes(r, n_bytes);
    uint64_t v = 0;

    for (size_t i = n_bytes; p && i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

uint8_t dsc_rd_u8(struct dsc_rd *r)
{
    return (uint8_t)read_le(r, 1);
}

uint16_t dsc_rd_u16le(struct dsc_rd *r)
{
    return (uint16_t)read_le(r, 2);
}

uint32_t dsc_rd_u32le(struct dsc_rd *r)
{
    return (uint32_t)read_le(r, 4);
}

uint64_t dsc_rd_u64le(struct dsc_rd *r)
{
    return read_le(r, 8);
}

uint64_t dsc_rd_varint(struct dsc_rd *r)
{
    uint64_t v = 0;

    for (int shift = 0; shift < 70; shift += 7) {
        const uint8_t b = dsc_rd_u8(r);

        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80))
            return v;
    }
    dsc_rd_fail(r, DSC_E_OVERFLOW, "varint of more than 64 bits");
    return 0;
}
