/*
 * Status codes and error records: how every function of the library reports.
 *
 * A function that can fail returns `enum dsc_status` and takes a `struct dsc_err *` last.
 * DSC_OK is 0. The record is filled once, by the function that found the fault; callers pass
 * it on unchanged, or add what they know (file, object) where it is still empty.
 */
#ifndef DSC_STATUS_H
#define DSC_STATUS_H

#include <stdarg.h>
#include <stdint.h>

enum dsc_status {
    DSC_OK = 0,
#define DSC_STATUS(name, class_text, exit_code, meaning) DSC_E_##name,
#include "dsc/status.def"
#undef DSC_STATUS
    DSC_STATUS_COUNT
};

/**
 * What went wrong. Zero-initialise (`struct dsc_err err = {0};`) before the first call.
 *
 * file     the file or artefact, "" when none
 * where    place in it: "node 'x', input 1", "row 12", "byte 4096"; "" when none
 * message  one sentence without a final full stop
 * hint     what the user can do; "" when nothing is known
 */
struct dsc_err {
    enum dsc_status status;
    char file[256];
    char where[256];
    char message[3072]; /* room for 20 bad rows */
    char hint[384];
};

/** Class text of a status ("TRUNC"), its process exit code, its one-line meaning. */
const char *dsc_status_class(enum dsc_status s);
int dsc_status_exit(enum dsc_status s);
const char *dsc_status_meaning(enum dsc_status s);

/**
 * Fill `err` and return `s`. `err` may be NULL. A record that is already filled keeps its first
 * content (the first fault is the cause), and the first status is returned.
 */
enum dsc_status dsc_fail(struct dsc_err *err, enum dsc_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
enum dsc_status dsc_vfail(struct dsc_err *err, enum dsc_status s, const char *fmt, va_list ap);

/** Add the file, the place or a hint where the record has none yet; return the record's status,
 *  INTERNAL without a record: that something failed is never lost. */
enum dsc_status dsc_err_file(struct dsc_err *err, const char *file);
enum dsc_status dsc_err_where(struct dsc_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
enum dsc_status dsc_err_hint(struct dsc_err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Return from the current function with the status of a failed call. */
#define DSC_TRY(call)                             \
    do {                                          \
        enum dsc_status dsc_try_status_ = (call); \
        if (dsc_try_status_ != DSC_OK)            \
            return dsc_try_status_;               \
    } while (0)

/** As DSC_TRY, but store the status in `st` and go to the clean-up label `out`. */
#define DSC_TRY_OUT(st, call) \
    do {                      \
        (st) = (call);        \
        if ((st) != DSC_OK)   \
            goto out;         \
    } while (0)

#endif
