/*
 * Messages from the library to whoever runs it. The library prints nothing itself: the program
 * gives a sink, which travels in the structs that need it. A NULL sink drops messages.
 */
#ifndef DSC_LOG_H
#define DSC_LOG_H

#include <stdarg.h>

enum dsc_log_level { DSC_LOG_WARNING, DSC_LOG_INFO, DSC_LOG_DEBUG };

struct dsc_log {
    void (*write)(void *ctx, enum dsc_log_level level, const char *text);
    void *ctx;
};

/** One line, formatted, without a final newline. */
void dsc_log_printf(const struct dsc_log *log, enum dsc_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
