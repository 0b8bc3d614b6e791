/* Status codes and error records. */
#include "dsc/status.h"

#include <stdio.h>

static const struct {
    const char *class_text;
    int exit_code;
    const char *meaning;
} rows[DSC_STATUS_COUNT] = {
    [DSC_OK] = {"OK", 0, "done"},
#define DSC_STATUS(name, class_text, exit_code, meaning) \
    [DSC_E_##name] = {class_text, exit_code, meaning},
#include "dsc/status.def"
#undef DSC_STATUS
};

static int row_of(enum dsc_status s)
{
    return (unsigned)s < DSC_STATUS_COUNT ? (int)s : (int)DSC_E_INTERNAL;
}

const char *dsc_status_class(enum dsc_status s)
{
    return rows[row_of(s)].class_text;
}

int dsc_status_exit(enum dsc_status s)
{
    return rows[row_of(s)].exit_code;
}

const char *dsc_status_meaning(enum dsc_status s)
{
    return rows[row_of(s)].meaning;
}

enum dsc_status dsc_vfail(struct dsc_err *err, enum dsc_status s, const char *fmt, va_list ap)
{
    if (!err)
        return s;
    if (err->status != DSC_OK)
        return err->status;
    err->status = s;
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    return s;
}

enum dsc_status dsc_fail(struct dsc_err *err, enum dsc_status s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    s = dsc_vfail(err, s, fmt, ap);
    va_end(ap);
    return s;
}

enum dsc_status dsc_err_file(struct dsc_err *err, const char *file)
{
    if (!err)
        return DSC_E_INTERNAL;
    if (!err->file[0] && file)
        snprintf(err->file, sizeof err->file, "%s", file);
    return err->status;
}

enum dsc_status dsc_err_where(struct dsc_err *err, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return DSC_E_INTERNAL;
    if (!err->where[0]) {
        va_start(ap, fmt);
        vsnprintf(err->where, sizeof err->where, fmt, ap);
        va_end(ap);
    }
    return err->status;
}

enum dsc_status dsc_err_hint(struct dsc_err *err, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return DSC_E_INTERNAL;
    if (!err->hint[0]) {
        va_start(ap, fmt);
        vsnprintf(err->hint, sizeof err->hint, fmt, ap);
        va_end(ap);
    }
    return err->status;
}
