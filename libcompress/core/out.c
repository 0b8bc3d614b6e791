/* The atomic writer and the growing byte buffer. */
#include "dsc/checked.h"
#include "dsc/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUT_BUF_BYTES = 256 * 1024 };

static enum dsc_status io_fail(struct dsc_err *err, const char *path, const char *what)
{
    const int e = errno;

    dsc_fail(err, e == ENOSPC || e == EDQUOT ? DSC_E_NOSPACE : DSC_E_IO, "cannot %s: %s", what,
             strerror(e));
    return dsc_err_file(err, path);
}

/* "a/b/c.onnx" -> "a/b/.c.onnx.XXXXXX" */
static char *make_temp_path(const char *path, struct dsc_err *err)
{
    const char *slash = strrchr(path, '/');
    const int n_dir = slash ? (int)(slash - path) + 1 : 0;
    const size_t n = strlen(path) + 16;
    char *t = dsc_heap_alloc(n, 1, err);

    if (t)
        snprintf(t, n, "%.*s.%s.XXXXXX", n_dir, path, path + n_dir);
    return t;
}

static enum dsc_status open_temp(struct dsc_out *o, struct dsc_err *err)
{
    mode_t mask;

    o->fd = mkstemp(o->temp_path);
    if (o->fd < 0) {
        dsc_fail(err, errno == ENOSPC ? DSC_E_NOSPACE : DSC_E_EXISTS,
                 "cannot create a file in the output's folder: %s", strerror(errno));
        return dsc_err_file(err, o->path), err ? err->status : DSC_E_EXISTS;
    }
    fcntl(o->fd, F_SETFD, FD_CLOEXEC);
    mask = umask(0);
    umask(mask);
    fchmod(o->fd, 0666 & ~mask);
    return DSC_OK;
}

bool dsc_out_is_special(const char *path)
{
    static const char *const streams[] = {"/dev/stdout", "/dev/stderr", "/dev/fd/", "/proc/"};
    struct stat st;

    if (stat(path, &st) != 0 || S_ISDIR(st.st_mode))
        return false;
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++)
        if (strncmp(path, streams[i], strlen(streams[i])) == 0)
            return true;
    return !S_ISREG(st.st_mode);
}

/* Appending goes on where a shell's > stands. */
static enum dsc_status open_special(struct dsc_out *o, struct dsc_err *err)
{
    o->temp_path[0] = '\0';
    o->fd = open(o->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    if (o->fd >= 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_EXISTS, "cannot open for writing: %s", strerror(errno));
    return dsc_err_file(err, o->path), DSC_E_EXISTS;
}

enum dsc_status dsc_out_open(struct dsc_out *o, const char *path, bool may_replace,
                             struct dsc_err *err)
{
    struct stat st;
    const bool is_there = stat(path, &st) == 0, is_folder = is_there && S_ISDIR(st.st_mode);
    const bool is_special = dsc_out_is_special(path);
    enum dsc_status s;

    *o = (struct dsc_out){.fd = -1, .may_replace = may_replace};
    if (is_folder) {
        dsc_fail(err, DSC_E_EXISTS, "the output is a folder");
        return dsc_err_file(err, path), DSC_E_EXISTS;
    }
    if (!may_replace && is_there && !is_special) {
        dsc_fail(err, DSC_E_EXISTS, "the output exists");
        dsc_err_hint(err, "give -f to replace it");
        return dsc_err_file(err, path), DSC_E_EXISTS;
    }
    o->path = dsc_heap_alloc(strlen(path) + 1, 1, err);
    if (o->path)
        memcpy(o->path, path, strlen(path));
    o->temp_path = o->path ? make_temp_path(path, err) : NULL;
    o->buf = o->temp_path ? dsc_heap_alloc(OUT_BUF_BYTES, 1, err) : NULL;
    s = !o->buf ? DSC_E_MEMORY : is_special ? open_special(o, err) : open_temp(o, err);
    if (s != DSC_OK)
        dsc_out_abort(o);
    return s;
}

static void write_all(struct dsc_out *o, const unsigned char *p, size_t n)
{
    while (n > 0 && o->err.status == DSC_OK) {
        const ssize_t done = write(o->fd, p, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            io_fail(&o->err, o->path, "write");
            return;
        }
        p += done;
        n -= (size_t)done;
    }
}

static void flush_buffer(struct dsc_out *o)
{
    write_all(o, o->buf, o->n_buffered);
    o->n_buffered = 0;
}

void dsc_out_write(struct dsc_out *o, const void *data, size_t n_bytes)
{
    if (o->err.status != DSC_OK || n_bytes == 0)
        return;
    o->n_written += n_bytes;
    if (n_bytes > OUT_BUF_BYTES - o->n_buffered)
        flush_buffer(o);
    if (n_bytes > OUT_BUF_BYTES) {
        write_all(o, data, n_bytes);
        return;
    }
    memcpy(o->buf + o->n_buffered, data, n_bytes);
    o->n_buffered += n_bytes;
}

void dsc_out_text(struct dsc_out *o, const char *text)
{
    dsc_out_write(o, text, strlen(text));
}

void dsc_out_printf(struct dsc_out *o, const char *fmt, ...)
{
    char small[512];
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(small, sizeof small, fmt, ap);
    if (n >= (int)sizeof small) {
        char *big = dsc_heap_alloc((size_t)n + 1, 1, &o->err);

        if (big) {
            vsnprintf(big, (size_t)n + 1, fmt, again);
            dsc_out_write(o, big, (size_t)n);
            dsc_heap_free(big);
        }
    } else if (n > 0) {
        dsc_out_write(o, small, (size_t)n);
    }
    va_end(again);
    va_end(ap);
}

void dsc_out_pad(struct dsc_out *o, size_t align)
{
    static const unsigned char zeros[4096];
    size_t n = (size_t)(-o->n_written & (align - 1));

    while (n > 0) {
        const size_t part = n < sizeof zeros ? n : sizeof zeros;

        dsc_out_write(o, zeros, part);
        n -= part;
    }
}

enum dsc_status dsc_out_flush(struct dsc_out *o, struct dsc_err *err)
{
    flush_buffer(o);
    if (o->err.status == DSC_OK && o->temp_path[0] && fsync(o->fd) != 0)
        io_fail(&o->err, o->path, "sync");
    if (o->err.status != DSC_OK && err && err->status == DSC_OK)
        *err = o->err;
    return o->err.status;
}

static void sync_folder(struct dsc_out *o)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(o->path, '/');
    const int n_dir = slash ? (int)(slash - o->path) + 1 : 0;
    int fd;

    if (n_dir >= (int)sizeof dir)
        return;
    snprintf(dir, sizeof dir, "%.*s", n_dir, n_dir ? o->path : "");
    fd = open(n_dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return; /* a folder that cannot be opened for reading cannot be synced: the rename stands */
    if (fsync(fd) != 0 && errno != EINVAL)
        io_fail(&o->err, o->path, "sync the folder of");
    close(fd);
}

/* link() refuses an existing name where rename() would silently replace it. */
static int give_name(struct dsc_out *o)
{
    if (o->may_replace)
        return rename(o->temp_path, o->path);
    if (link(o->temp_path, o->path) == 0)
        return unlink(o->temp_path);
    if (errno == EPERM || errno == ENOTSUP || errno == ENOSYS)
        return rename(o->temp_path, o->path); /* no hard links on this file system */
    return -1;
}

static enum dsc_status close_special(struct dsc_out *o, struct dsc_err *err)
{
    const int fd = o->fd;

    o->fd = -1;
    return close(fd) == 0 ? DSC_OK : io_fail(err, o->path, "write");
}

enum dsc_status dsc_out_commit(struct dsc_out *o, struct dsc_err *err)
{
    enum dsc_status s = dsc_out_flush(o, err);

    if (s == DSC_OK && !o->temp_path[0]) {
        s = close_special(o, err);
    } else if (s == DSC_OK && give_name(o) != 0) {
        if (errno == EEXIST) {
            dsc_fail(err, DSC_E_EXISTS, "the output exists");
            dsc_err_file(err, o->path);
            s = DSC_E_EXISTS;
        } else {
            s = io_fail(err, o->path, "rename");
        }
    } else if (s == DSC_OK) {
        o->temp_path[0] = '\0';
        sync_folder(o);
        s = o->err.status;
        if (s != DSC_OK && err && err->status == DSC_OK)
            *err = o->err;
    }
    dsc_out_abort(o);
    return s;
}

void dsc_out_abort(struct dsc_out *o)
{
    if (o->buf && o->fd >= 0)
        close(o->fd);
    if (o->temp_path && o->temp_path[0] && o->fd >= 0)
        unlink(o->temp_path);
    dsc_heap_free(o->path);
    dsc_heap_free(o->temp_path);
    dsc_heap_free(o->buf);
    *o = (struct dsc_out){.fd = -1};
}

void dsc_bytes_add(struct dsc_bytes *b, const void *data, size_t n_bytes)
{
    size_t need;

    if (b->is_failed || n_bytes == 0)
        return;
    if (!dsc_add_size(b->n_bytes, n_bytes, &need)) {
        b->is_failed = true;
        return;
    }
    if (need > b->cap_bytes) {
        const size_t cap = need < 128 ? 256 : need + need / 2;
        unsigned char *p = dsc_heap_grow(b->data, cap, 1, NULL);

        if (!p) {
            b->is_failed = true;
            return;
        }
        b->data = p;
        b->cap_bytes = cap;
    }
    memcpy(b->data + b->n_bytes, data, n_bytes);
    b->n_bytes = need;
}

void dsc_bytes_text(struct dsc_bytes *b, const char *text)
{
    dsc_bytes_add(b, text, strlen(text));
}

void dsc_bytes_printf(struct dsc_bytes *b, const char *fmt, ...)
{
    char small[512];
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(small, sizeof small, fmt, ap);
    if (n >= (int)sizeof small) {
        char *big = dsc_heap_alloc((size_t)n + 1, 1, NULL);

        if (big) {
            vsnprintf(big, (size_t)n + 1, fmt, again);
            dsc_bytes_add(b, big, (size_t)n);
            dsc_heap_free(big);
        } else {
            b->is_failed = true;
        }
    } else if (n > 0) {
        dsc_bytes_add(b, small, (size_t)n);
    }
    va_end(again);
    va_end(ap);
}

void dsc_bytes_clear(struct dsc_bytes *b)
{
    dsc_heap_free(b->data);
    *b = (struct dsc_bytes){0};
}
