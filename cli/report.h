/* What the program says about itself on standard error, and the JSON form of a failure. */
#ifndef DSC_CLI_REPORT_H
#define DSC_CLI_REPORT_H

#include "cmd.h"

/** `dscompress: error: FILE: message (where) [CLASS]` and its hint. */
void dsc_report_error(const struct dsc_term *t, const struct dsc_err *err);
/** "error":{..} into an open object. */
void dsc_report_json_fault(struct dsc_json *j, const struct dsc_err *err);
/** {"schema":"dscompress.VERB/1","error":{..}} in a fresh writer. */
void dsc_report_json_error(struct dsc_json *j, const char *verb, const struct dsc_err *err);
/** Sink of the library's messages; ctx is a struct dsc_cmd. */
void dsc_report_log(void *ctx, enum dsc_log_level level, const char *text);

#endif
