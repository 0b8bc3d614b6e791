/*
 * A child process for parsers of what is hard to parse: libhdf5, pickles.
 *
 * The child is a copy of the program. It has the memory that the parent had, the file's mapping in
 * it, one end of a pipe, and nothing else: every other descriptor is closed, it can open none,
 * start nothing, signal nobody, make no memory executable, and wait for nothing. Processor time and
 * memory are limited. What it finds out comes back as bytes of at most a stated number, which the
 * parent parses like a file's; an error record comes back checked.
 *
 * On Linux (x86-64, aarch64), by seccomp. Elsewhere, and where the kernel or a container refuses
 * filters, jail_run fails (DEVICE): nothing is parsed without one. `doctor` has a row for it.
 *
 * Under a sanitizer of memory or threads the child keeps standard error for its reports, may wait
 * for locks, has twenty times the seconds and no limit on memory: the sanitizer itself has mapped
 * terabytes. In a build that counts lines (tools/coverage) it may open and write files: its
 * counters go there.
 */
#ifndef JAIL_H
#define JAIL_H

#include "dsc/io.h"
#include "dsc/tensor.h"

#ifndef __has_feature /* clang's way to say it */
#define __has_feature(x) 0
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__ || \
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JAIL_IS_SANITIZED 1
#else
#define JAIL_IS_SANITIZED 0
#endif

#ifdef DSC_COVERAGE
#define JAIL_IS_COUNTED 1
#else
#define JAIL_IS_COUNTED 0
#endif

/** What runs in the child. Whatever it changes is lost with it, but for `answer` and a room. */
typedef enum dsc_status jail_fn(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err);

struct jail_limits {
    size_t memory_bytes; /* beyond what the parent has mapped */
    size_t answer_bytes;
    unsigned cpu_s;
};

/**
 * Run fn(ctx) in a child and wait for its end. `answer` (zeroed) is the caller's to clear, also
 * after a failure.
 *
 * Errors  DEVICE        no jail on this system
 *         LIMIT         processor time, or an answer that is too large
 *         INCONSISTENT  it crashed, or did what it may not
 *         MEMORY        no process; and what fn fails with
 */
enum dsc_status jail_run(jail_fn *fn, const void *ctx, const struct jail_limits *limits,
                         struct dsc_bytes *answer, struct dsc_err *err);

/** Memory of n zero bytes that children of later jail_run calls share with the parent.
 *  Errors: MEMORY */
enum dsc_status jail_room(struct dsc_buffer **b, size_t n_bytes, struct dsc_err *err);

/* Records of an answer: written by the child, read as a file's bytes are. Texts are u32 length and
 * bytes; numbers are little endian; dims are u8 and u64 each. */
void jail_put_number(struct dsc_bytes *answer, uint64_t v, int n_bytes);
void jail_put_text(struct dsc_bytes *answer, const char *text, size_t n_bytes);
/** UTF-8 without NUL, in the arena; NULL after an error (LIMIT, ENCODING, TRUNC, MEMORY). */
char *jail_take_text(struct dsc_rd *r, struct dsc_arena *arena, size_t max_bytes);
/** Errors  LIMIT  more than DSC_MAX_RANK axes; TRUNC */
enum dsc_status jail_take_dims(struct dsc_rd *r, int *rank, int64_t dim[DSC_MAX_RANK]);
/** Errors  INCONSISTENT, TRUNC */
enum dsc_status jail_take_dtype(struct dsc_rd *r, enum dsc_dtype *dtype);

#endif
