/* Errors and log lines on standard error. */
#include "report.h"

#include "progress.h"
#include "term.h"

void dsc_report_error(const struct dsc_term *t, const struct dsc_err *err)
{
    fprintf(t->f, "dscompress: %serror:%s ", dsc_term_style(t, DSC_STYLE_RED),
            dsc_term_style(t, DSC_STYLE_NONE));
    if (err->file[0]) {
        dsc_term_put(t->f, err->file);
        fputs(": ", t->f);
    }
    dsc_term_put(t->f, err->message[0] ? err->message : dsc_status_meaning(err->status));
    if (err->where[0]) {
        fputs(" (", t->f);
        dsc_term_put(t->f, err->where);
        fputc(')', t->f);
    }
    fprintf(t->f, " [%s]\n", dsc_status_class(err->status));
    if (err->hint[0]) {
        fputs("  hint: ", t->f);
        dsc_term_put(t->f, err->hint);
        fputc('\n', t->f);
    }
}

void dsc_report_json_fault(struct dsc_json *j, const struct dsc_err *err)
{
    dsc_json_object(j, "error");
    dsc_json_text(j, "class", dsc_status_class(err->status));
    dsc_json_text(j, "message", err->message[0] ? err->message : dsc_status_meaning(err->status));
    dsc_json_text(j, "file", err->file);
    dsc_json_text(j, "where", err->where);
    dsc_json_text(j, "hint", err->hint);
    dsc_json_end(j);
}

void dsc_report_json_error(struct dsc_json *j, const char *verb, const struct dsc_err *err)
{
    char schema[96];

    snprintf(schema, sizeof schema, "dscompress.%s/1", verb);
    dsc_json_object(j, NULL);
    dsc_json_text(j, "schema", schema);
    dsc_report_json_fault(j, err);
    dsc_json_end(j);
}

void dsc_report_log(void *ctx, enum dsc_log_level level, const char *text)
{
    struct dsc_cmd *cmd = ctx;
    const struct dsc_term *t = &cmd->term_err;

    if (cmd->verbosity < 0 || (level == DSC_LOG_DEBUG && cmd->verbosity < 1))
        return;
    if (cmd->progress)
        dsc_progress_hide(cmd->progress);
    fputs("dscompress: ", t->f);
    if (level == DSC_LOG_WARNING)
        fprintf(t->f, "%swarning:%s ", dsc_term_style(t, DSC_STYLE_YELLOW),
                dsc_term_style(t, DSC_STYLE_NONE));
    dsc_term_put(t->f, text);
    fputc('\n', t->f);
}
