/*
 * The linker lets the program call these instead of the C library's (--wrap). What stdio writes
 * comes by here, too: its streams are made anew over the same descriptors (fopencookie), with
 * buffers of their own.
 */
#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum {
    MAX_STREAMS = 64,  /* descriptors of streams are below */
    FILE_BUFFER = 4096 /* bytes that stdio holds back when standard output is a file */
};

static unsigned wanted;
static int what;
static atomic_long countdown;

/* A child that the program starts goes on undisturbed. */
static void disarm(void)
{
    wanted = 0;
}

static FILE *stream_of(int fd);

/* Standard streams are variables in the C libraries that have fopencookie. */
static void take_streams(void)
{
    static bool is_done;

    if (is_done)
        return;
    is_done = true;
    stdout = stream_of(STDOUT_FILENO);
    stderr = stream_of(STDERR_FILENO);
    setvbuf(stdout, NULL, _IOFBF, FILE_BUFFER);
    setvbuf(stderr, NULL, _IONBF, 0);
}

long syscalls_fail_at(unsigned calls, int outcome, long n)
{
    if (n > 0)
        take_streams();
    wanted = n > 0 ? calls : 0;
    what = outcome;
    pthread_atfork(NULL, NULL, disarm);
    return atomic_exchange(&countdown, n);
}

/* True: the call fails now, with errno set. A disk that is full stays so. */
static bool is_due(enum syscall_kind call)
{
    const long left = wanted & call ? atomic_fetch_sub(&countdown, 1) : LONG_MAX;

    if (left > 1 || (left < 1 && what != ENOSPC))
        return false;
    if (what == CALL_KILLS)
        raise(SIGKILL);
    if (what <= 0)
        return false;
    errno = what;
    return true;
}

static mode_t mode_of(int flags, va_list ap)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(ap, int) : 0;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = mode_of(flags, ap);
    va_end(ap);
    return is_due(CALL_OPEN) ? -1 : __real_open64(path, flags, mode);
}

int __real_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...);
int __wrap_openat64(int dir, const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = mode_of(flags, ap);
    va_end(ap);
    return is_due(CALL_OPEN) ? -1 : __real_openat64(dir, path, flags, mode);
}

void *__real_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    return fd >= 0 && is_due(CALL_MAP) ? MAP_FAILED : __real_mmap64(at, n, prot, flags, fd, offset);
}

int __real_mkstemp64(char *path);
int __wrap_mkstemp64(char *path);
int __wrap_mkstemp64(char *path)
{
    return is_due(CALL_MAKE) ? -1 : __real_mkstemp64(path);
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    return is_due(CALL_MAKE) ? -1 : __real_mkdir(path, mode);
}

ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n)
{
    if (is_due(CALL_WRITE))
        return -1;
    if (wanted & CALL_WRITE && what == CALL_IS_SHORT && countdown <= 0 && n > 1)
        n = 1 + n / 2;
    return __real_write(fd, data, n);
}

/* ---- stdio ---- */

/* What the C library does with a buffer: a short write goes on. */
static ssize_t write_stream(void *cookie, const char *data, size_t n)
{
    const int fd = *(const int *)cookie;
    size_t done = 0;

    while (done < n) {
        const ssize_t got = fd == STDERR_FILENO && is_due(CALL_SAY) ? -1
                            : fd == STDERR_FILENO ? __real_write(fd, data + done, n - done)
                                                  : __wrap_write(fd, data + done, n - done);

        if (got < 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static int close_stream(void *cookie)
{
    return close(*(const int *)cookie);
}

static FILE *stream_of(int fd)
{
    static int fds[MAX_STREAMS];
    const cookie_io_functions_t calls = {.write = write_stream, .close = close_stream};

    if (fd < 0 || fd >= MAX_STREAMS)
        return NULL;
    fds[fd] = fd;
    return fopencookie(&fds[fd], "w", calls);
}

/* Streams that are read, and /dev/null, are the C library's. */
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode)
{
    const int end = *mode == 'a' ? O_APPEND : O_TRUNC;

    if (!wanted || *mode == 'r')
        return __real_fopen64(path, mode);
    if (strcmp(path, "/dev/null") == 0)
        return is_due(CALL_OPEN) ? NULL : __real_fopen64(path, mode);
    return stream_of(__wrap_open64(path, O_WRONLY | O_CREAT | O_CLOEXEC | end, 0666));
}

/* ---- files and their names ---- */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return is_due(CALL_SYNC) ? -1 : __real_fsync(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
    return is_due(CALL_NAME) ? -1 : __real_rename(from, to);
}

int __real_renameat2(int dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int dir, const char *from, int to_dir, const char *to, unsigned flags);
int __wrap_renameat2(int dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return is_due(CALL_NAME) ? -1 : __real_renameat2(dir, from, to_dir, to, flags);
}

int __real_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to);
int __wrap_link(const char *from, const char *to)
{
    return is_due(CALL_NAME) ? -1 : __real_link(from, to);
}

int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path)
{
    return is_due(CALL_DROP) ? -1 : __real_unlink(path);
}
