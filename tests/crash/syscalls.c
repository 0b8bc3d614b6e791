/*
 * The linker lets the program call these instead of the C library's (--wrap); files that the C
 * library opens for itself (stdio) do not come by here.
 */
#include "syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static unsigned wanted;
static int what;
static atomic_long countdown;

/* A child that the program starts goes on undisturbed. */
static void disarm(void)
{
    wanted = 0;
}

long syscalls_fail_at(unsigned calls, int outcome, long n)
{
    wanted = calls;
    what = outcome;
    pthread_atfork(NULL, NULL, disarm);
    return atomic_exchange(&countdown, n);
}

/* True: the call fails now, with errno set. */
static bool is_due(enum syscall_kind call)
{
    if (!(wanted & call) || atomic_fetch_sub(&countdown, 1) != 1)
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
