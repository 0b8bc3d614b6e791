/* Messages to the program's sink. */
#include "dsc/log.h"

#include <stdio.h>

void dsc_log_printf(const struct dsc_log *log, enum dsc_log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    if (!log || !log->write)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    log->write(log->ctx, level, line);
}
