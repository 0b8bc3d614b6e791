/*
 * The child that parses without privileges: what it may call is a list that the kernel keeps.
 *
 * A fork, not a new program: libraries and tests have jails too, and the file is already mapped.
 * Other threads are not in the child; it uses no locks of theirs but malloc's, which fork renews.
 *
 * Source  seccomp(2), bpf of linux/filter.h
 */
#include "model/jail.h"

#include "formats_model.h"
#include "formats_text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct reply {
    enum dsc_status status;
    size_t n_bytes; /* of the answer, behind it */
    struct dsc_err err;
};

#if defined __linux__ && (defined __x86_64__ || defined __aarch64__)

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#if JAIL_IS_COUNTED
#include <gcov.h>
#endif

#ifdef __x86_64__
#define JAIL_ARCH AUDIT_ARCH_X86_64
#else
#define JAIL_ARCH AUDIT_ARCH_AARCH64
#endif

enum { SANITIZED_SLOWER = 20 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offsetof(struct seccomp_data, field)))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (what))
/* The number is loaded: go over the next n lines unless it is this call. */
#define UNLESS_CALL(name, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (__NR_##name), 0, (n))
#define ALLOW(name) UNLESS_CALL(name, 1), RETURN(SECCOMP_RET_ALLOW)
#define DENY(name) UNLESS_CALL(name, 1), RETURN(SECCOMP_RET_ERRNO | EPERM)
/* Memory, but no code: the argument `idx` are the bits of protection. */
#define ALLOW_DATA(name, idx)                                                                     \
    UNLESS_CALL(name, 4), LOAD(args[idx]), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0), \
        RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_KILL_PROCESS)

/* Locks may be given back, not waited for: nobody else would give them. */
#define ALLOW_WAKE                                                                                \
    UNLESS_CALL(futex, 4), LOAD(args[1]),                                                         \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE_PRIVATE, 0, 1), RETURN(SECCOMP_RET_ALLOW), \
        RETURN(SECCOMP_RET_KILL_PROCESS)

/* Calls that are not on the list end the child (SIGSYS). Opening fails: libraries try. */
static bool lock_calls(int fd)
{
    struct sock_filter rows[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, JAIL_ARCH, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
#if JAIL_IS_COUNTED
        ALLOW(openat),
        ALLOW(fcntl),
        ALLOW(newfstatat),
        ALLOW(getpid),
        ALLOW(lseek),
        ALLOW(read),
        ALLOW(write),
        ALLOW(close),
#endif
        UNLESS_CALL(write, 4),
        LOAD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)fd, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, JAIL_IS_SANITIZED ? STDERR_FILENO : (unsigned)fd, 0, 1),
        RETURN(SECCOMP_RET_ALLOW),
        LOAD(nr),
        ALLOW(exit_group),
        ALLOW(brk),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW(madvise),
        ALLOW(clock_gettime),
        ALLOW(gettimeofday),
        ALLOW(getrandom),
        ALLOW(sysinfo), /* qsort asks how much memory there is */
        DENY(openat),
#ifdef __NR_open
        DENY(open),
        ALLOW(time),
#endif
#if JAIL_IS_SANITIZED
        ALLOW(futex),
        ALLOW(sched_yield),
        ALLOW(sigaltstack),
        ALLOW(rt_sigaction),
        ALLOW(rt_sigprocmask),
        ALLOW(getpid),
        ALLOW(gettid),
        ALLOW(prctl),
        ALLOW(readlinkat),
        ALLOW(close),
#ifdef __NR_readlink
        ALLOW(readlink),
#endif
#endif
        ALLOW_WAKE,
        ALLOW_DATA(mmap, 2),
        ALLOW_DATA(mprotect, 2),
        RETURN(SECCOMP_RET_KILL_PROCESS),
    };
    const struct sock_fprog program = {.len = sizeof rows / sizeof rows[0], .filter = rows};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool close_others(int fd)
{
    const unsigned from = JAIL_IS_SANITIZED ? STDERR_FILENO + 1 : 0;

    if (JAIL_IS_SANITIZED && (close(STDIN_FILENO), close(STDOUT_FILENO), fd < (int)from))
        return false;
    return (fd == (int)from || close_range(from, (unsigned)fd - 1, 0) == 0) &&
           close_range((unsigned)fd + 1, ~0U, 0) == 0;
}

static bool limit(__rlimit_resource_t what, size_t n)
{
    const struct rlimit r = {.rlim_cur = n, .rlim_max = n};

    return setrlimit(what, &r) == 0;
}

/* What is mapped already counts; 0: the system does not tell. */
static size_t mapped_bytes(void)
{
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[32];
    const ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    size_t n_pages = 0;

    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        n_pages = n_pages * 10 + (size_t)(text[i] - '0');
    if (fd >= 0)
        close(fd);
    return n_pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* The child ends with its parent; what stops the parent does not reach it before. */
static bool lock(int fd, const struct jail_limits *l)
{
    static const int ignored[] = {SIGINT,  SIGQUIT, SIGTERM, SIGHUP,
                                  SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2};
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU};
    const unsigned cpu_s = l->cpu_s * (JAIL_IS_SANITIZED ? SANITIZED_SLOWER : 1);
    const size_t mapped = mapped_bytes();

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    for (size_t i = 0; !JAIL_IS_SANITIZED && i < sizeof faults / sizeof faults[0]; i++)
        signal(faults[i], SIG_DFL);
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0 &&
           close_others(fd) && limit(RLIMIT_CORE, 0) && limit(RLIMIT_CPU, cpu_s) &&
           (JAIL_IS_SANITIZED || (mapped > 0 && limit(RLIMIT_AS, mapped + l->memory_bytes))) &&
           lock_calls(fd);
}

static bool write_all(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        const ssize_t got = write(fd, p, n);

        if (got < 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static _Noreturn void end_child(int code)
{
#if JAIL_IS_COUNTED
    __gcov_dump(); /* what exit would do */
#endif
    _exit(code);
}

enum { CHILD_DONE = 0, CHILD_CUT = 1, CHILD_NO_JAIL = 2 };

static void run_child(int fd, jail_fn *fn, const void *ctx, const struct jail_limits *l)
{
    struct dsc_bytes answer = {0};
    static struct reply r; /* of this process alone */

    if (!lock(fd, l))
        _exit(CHILD_NO_JAIL);
    r.status = fn(ctx, &answer, &r.err);
    if (r.status == DSC_OK && answer.is_failed)
        r.status = dsc_fail(&r.err, DSC_E_MEMORY, "out of memory");
    r.n_bytes = r.status == DSC_OK ? answer.n_bytes : 0;
    end_child(write_all(fd, &r, sizeof r) && write_all(fd, answer.data, r.n_bytes) ? CHILD_DONE
                                                                                   : CHILD_CUT);
}

/* All n bytes, or false. */
static bool read_all(int fd, void *dst, size_t n)
{
    char *p = dst;

    while (n > 0) {
        const ssize_t got = read(fd, p, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

/* What a terminal might obey becomes '?', and what is no UTF-8 does. */
static bool take_message(char *dst, const char *src, size_t n_bytes)
{
    const size_t n = strnlen(src, n_bytes);

    if (n == n_bytes)
        return false;
    for (size_t i = 0; i < n;) {
        const unsigned char c = (unsigned char)src[i];
        const size_t n_char = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        const bool is_text = n_char <= n - i && dsc_utf8_check(src + i, n_char) == n_char &&
                             c >= ' ' && c != 0x7f &&
                             (c != 0xc2 || (unsigned char)src[i + 1] >= 0xa0);

        memset(dst + i, '?', 1);
        if (is_text)
            memcpy(dst + i, src + i, n_char);
        i += is_text ? n_char : 1;
    }
    dst[n] = '\0';
    return true;
}

static enum dsc_status take_error(const struct reply *r, struct dsc_err *err)
{
    struct dsc_err e = {.status = r->status};

    if ((int)r->status <= DSC_OK || r->status >= DSC_STATUS_COUNT || r->err.status != r->status ||
        !take_message(e.where, r->err.where, sizeof e.where) ||
        !take_message(e.message, r->err.message, sizeof e.message) ||
        !take_message(e.hint, r->err.hint, sizeof e.hint))
        return dsc_fail(err, DSC_E_INCONSISTENT, "the reader of the file answers what it cannot");
    dsc_fail(err, e.status, "%s", e.message);
    if (e.hint[0])
        dsc_err_hint(err, "%s", e.hint);
    return e.where[0] ? dsc_err_where(err, "%s", e.where) : r->status;
}

static enum dsc_status take_answer(int fd, const struct jail_limits *l, struct dsc_bytes *answer,
                                   bool *is_whole, struct dsc_err *err)
{
    struct reply *r = dsc_heap_alloc(1, sizeof *r, err);
    enum dsc_status st = DSC_OK;
    void *data = NULL;

    *is_whole = false;
    if (!r)
        return DSC_E_MEMORY;
    if (!read_all(fd, r, sizeof *r))
        goto out;
    if (r->status != DSC_OK)
        st = take_error(r, err);
    else if (r->n_bytes > l->answer_bytes)
        st = dsc_fail(err, DSC_E_LIMIT, "what is in it takes over %zu bytes to list",
                      l->answer_bytes);
    else if (r->n_bytes > 0 && !(data = dsc_heap_alloc(r->n_bytes, 1, err)))
        st = DSC_E_MEMORY;
    else if (r->n_bytes > 0 && !read_all(fd, data, r->n_bytes))
        goto out;
    *is_whole = true;
    *answer = (struct dsc_bytes){.data = data, .n_bytes = data ? r->n_bytes : 0};
    answer->cap_bytes = answer->n_bytes;
    data = NULL;
out:
    dsc_heap_free(data);
    dsc_heap_free(r);
    return st;
}

/* How it ended; st and is_whole: what came over the pipe. */
static enum dsc_status judge(int how, const struct rusage *used, enum dsc_status st, bool is_whole,
                             const struct jail_limits *l, struct dsc_err *err)
{
    const bool is_over = used->ru_utime.tv_sec + used->ru_stime.tv_sec + 1 >= (time_t)l->cpu_s;

    if (st != DSC_OK || is_whole)
        return st;
    if (WIFSIGNALED(how) && (WTERMSIG(how) == SIGXCPU || (WTERMSIG(how) == SIGKILL && is_over)))
        return dsc_fail(err, DSC_E_LIMIT, "reading it takes over %u s of processor time", l->cpu_s);
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL)
        return dsc_fail(err, DSC_E_MEMORY, "its reader was killed, as when memory is short");
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGSYS)
        return dsc_fail(err, DSC_E_INCONSISTENT, "its reader did what it may not, and was stopped");
    if (WIFSIGNALED(how))
        return dsc_fail(err, DSC_E_INCONSISTENT, "its reader crashed on it (signal %d)",
                        WTERMSIG(how));
    if (WIFEXITED(how) && WEXITSTATUS(how) == CHILD_NO_JAIL) {
        dsc_fail(err, DSC_E_DEVICE,
                 "this system gives no process without privileges to read it in");
        return dsc_err_hint(err,
                            "Linux 5.9 or later with seccomp is needed; a container must allow "
                            "seccomp filters (see dscompress doctor)");
    }
    return dsc_fail(err, DSC_E_INCONSISTENT, "its reader ended without an answer");
}

enum dsc_status jail_run(jail_fn *fn, const void *ctx, const struct jail_limits *limits,
                         struct dsc_bytes *answer, struct dsc_err *err)
{
    enum dsc_status st;
    bool is_whole;
    struct rusage used = {0};
    int fd[2], how = 0;
    pid_t child;

    if (pipe2(fd, O_CLOEXEC) != 0)
        return dsc_fail(err, DSC_E_MEMORY, "no pipe: %s", strerror(errno));
    child = fork();
    if (child == 0)
        run_child(fd[1], fn, ctx, limits);
    close(fd[1]);
    if (child < 0) {
        dsc_fail(err, DSC_E_MEMORY, "no process to read it in: %s", strerror(errno));
        close(fd[0]);
        return DSC_E_MEMORY;
    }
    st = take_answer(fd[0], limits, answer, &is_whole, err);
    close(fd[0]); /* one that still writes ends */
    while (wait4(child, &how, 0, &used) < 0 && errno == EINTR)
        ;
    return judge(how, &used, st, is_whole, limits, err);
}

#else

enum dsc_status jail_run(jail_fn *fn, const void *ctx, const struct jail_limits *limits,
                         struct dsc_bytes *answer, struct dsc_err *err)
{
    (void)fn, (void)ctx, (void)limits, (void)answer;
    return dsc_fail(err, DSC_E_DEVICE, "no process without privileges on this system");
}

#endif

static enum dsc_status do_nothing(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    (void)ctx, (void)answer, (void)err;
    return DSC_OK;
}

enum dsc_status dsc_jail_check(struct dsc_err *err)
{
    const struct jail_limits limits = {.memory_bytes = (size_t)64 << 20, .cpu_s = 1};
    struct dsc_bytes answer = {0};

    return jail_run(do_nothing, NULL, &limits, &answer, err);
}

/* ---- records ---- */

void jail_put_number(struct dsc_bytes *answer, uint64_t v, int n_bytes)
{
    unsigned char bytes[8];

    for (int i = 0; i < n_bytes; i++)
        bytes[i] = (unsigned char)(v >> (8 * i));
    dsc_bytes_add(answer, bytes, (size_t)n_bytes);
}

void jail_put_text(struct dsc_bytes *answer, const char *text, size_t n_bytes)
{
    jail_put_number(answer, n_bytes, 4);
    dsc_bytes_add(answer, text, n_bytes);
}

char *jail_take_text(struct dsc_rd *r, struct dsc_arena *arena, size_t max_bytes)
{
    const uint32_t n = dsc_rd_u32le(r);
    const char *text = dsc_rd_bytes(r, n);

    if (dsc_rd_status(r) != DSC_OK)
        return NULL;
    if (n > max_bytes)
        dsc_fail(r->err, DSC_E_LIMIT, "a name or text of over %zu bytes", max_bytes);
    else if (dsc_utf8_check(text, n) != n || memchr(text, 0, n))
        dsc_fail(r->err, DSC_E_ENCODING, "a name or text that is no UTF-8");
    else
        return dsc_arena_strndup(arena, text, n, r->err);
    return NULL;
}

enum dsc_status jail_take_dims(struct dsc_rd *r, int *rank, int64_t dim[DSC_MAX_RANK])
{
    *rank = dsc_rd_u8(r);
    if (*rank > DSC_MAX_RANK)
        return dsc_fail(r->err, DSC_E_LIMIT, "more than %d axes", DSC_MAX_RANK);
    for (int i = 0; i < *rank; i++)
        dim[i] = (int64_t)dsc_rd_u64le(r);
    return dsc_rd_status(r);
}

enum dsc_status jail_take_dtype(struct dsc_rd *r, enum dsc_dtype *dtype)
{
    const uint8_t code = dsc_rd_u8(r);

    *dtype = DSC_DTYPE_NONE;
    if (code >= DSC_DTYPE_COUNT)
        return dsc_fail(r->err, DSC_E_INCONSISTENT, "an unknown element type");
    *dtype = (enum dsc_dtype)code;
    return dsc_rd_status(r);
}

static void release_room(struct dsc_buffer *b)
{
    munmap(b->data, b->n_bytes);
    dsc_heap_free(b);
}

enum dsc_status jail_room(struct dsc_buffer **b, size_t n_bytes, struct dsc_err *err)
{
    void *data = mmap(NULL, n_bytes ? n_bytes : 1, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED)
        return dsc_fail(err, DSC_E_MEMORY, "out of memory: %zu bytes", n_bytes);
    *b = dsc_heap_alloc(1, sizeof **b, err);
    if (!*b) {
        munmap(data, n_bytes ? n_bytes : 1);
        return DSC_E_MEMORY;
    }
    atomic_init(&(*b)->n_refs, 1);
    (*b)->data = data;
    (*b)->n_bytes = n_bytes ? n_bytes : 1;
    (*b)->release = release_room;
    return DSC_OK;
}
