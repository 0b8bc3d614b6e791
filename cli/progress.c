/* Progress on standard error. */
#include "progress.h"

#include "cmd.h"

#include <string.h>
#include <time.h>

double dsc_now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void dsc_progress_begin(struct dsc_cmd *cmd, struct dsc_progress *p, const char *what,
                        const char *unit, int64_t n_start, int64_t n_total)
{
    *p = (struct dsc_progress){.term = &cmd->term_err,
                               .mode = (enum dsc_progress_mode)dsc_opt_enum(cmd, DSC_OPT_progress),
                               .what = what,
                               .unit = unit,
                               .n_total = n_total,
                               .n_start = n_start,
                               .start_s = dsc_now_s(),
                               .last_s = -1e9};
    if (p->mode == DSC_PROGRESS_AUTO && (!cmd->term_err.is_tty || cmd->verbosity < 0))
        p->mode = DSC_PROGRESS_NONE;
    cmd->progress = p;
}

static void put_time(char *out, size_t out_bytes, double seconds)
{
    const long s = (long)(seconds + 0.5);

    if (s >= 3600)
        snprintf(out, out_bytes, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, out_bytes, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(out, out_bytes, "%lds", s);
}

static double rate_of(const struct dsc_progress *p, int64_t n_done, double now)
{
    const double elapsed = now - p->start_s;

    return elapsed > 0 ? (double)(n_done - p->n_start) / elapsed : 0;
}

/* A rate in four digits, without an exponent. */
static size_t put_rate(char *out, size_t out_bytes, double rate, int n_unit, const char *unit)
{
    return (size_t)snprintf(out, out_bytes, rate < 1000 ? "  %.4g %.*s/s" : "  %.0f %.*s/s", rate,
                            n_unit, unit);
}

/* "  loss 0.31"; the name of a rate, "examples_per_s", stands behind it as a unit. */
static size_t put_field(char *out, size_t out_bytes, const struct dsc_progress_field *f)
{
    const size_t n = strlen(f->name);
    const bool is_rate = n > 6 && strcmp(f->name + n - 6, "_per_s") == 0;

    if (is_rate)
        return put_rate(out, out_bytes, f->value, n < 30 ? (int)n - 6 : 24, f->name);
    return (size_t)snprintf(out, out_bytes, "  %.24s %.4g", f->name, f->value);
}

static void draw_text(struct dsc_progress *p, int64_t n_done,
                      const struct dsc_progress_field *fields, int n_fields, double now)
{
    const double rate = rate_of(p, n_done, now);
    char line[512], eta[32];
    size_t at = (size_t)snprintf(line, sizeof line, "%s %lld", p->what, (long long)n_done);

    if (p->n_total > 0)
        at +=
            (size_t)snprintf(line + at, sizeof line - at, "/%lld %s %.0f%%", (long long)p->n_total,
                             p->unit, 100.0 * (double)n_done / (double)p->n_total);
    else
        at += (size_t)snprintf(line + at, sizeof line - at, " %s", p->unit);
    for (int i = 0; i < n_fields && at < sizeof line - 96; i++)
        at += put_field(line + at, sizeof line - at, &fields[i]);
    at += put_rate(line + at, sizeof line - at, rate, (int)strlen(p->unit), p->unit);
    if (p->n_total > n_done && rate > 0) {
        put_time(eta, sizeof eta, (double)(p->n_total - n_done) / rate);
        snprintf(line + at, sizeof line - at, "  ETA %s", eta);
    }
    if (p->mode == DSC_PROGRESS_PLAIN) {
        fprintf(p->term->f, "%s\n", line);
        return;
    }
    fprintf(p->term->f, "\r\033[K%.*s", p->term->n_columns - 1, line);
    p->is_drawn = true;
}

static void draw_json(struct dsc_progress *p, int64_t n_done,
                      const struct dsc_progress_field *fields, int n_fields, double now)
{
    struct dsc_json j = {0};

    dsc_json_object(&j, NULL);
    dsc_json_text(&j, "progress", p->what);
    dsc_json_int(&j, "done", n_done);
    if (p->n_total > 0)
        dsc_json_int(&j, "total", p->n_total);
    dsc_json_text(&j, "unit", p->unit);
    dsc_json_float(&j, "per_s", rate_of(p, n_done, now));
    for (int i = 0; i < n_fields; i++)
        dsc_json_float(&j, fields[i].name, fields[i].value);
    dsc_json_end(&j);
    if (!j.text.is_failed)
        fprintf(p->term->f, "%.*s\n", (int)j.text.n_bytes, (const char *)j.text.data);
    dsc_json_clear(&j);
}

void dsc_progress_update(struct dsc_progress *p, int64_t n_done,
                         const struct dsc_progress_field *fields, int n_fields)
{
    const double now = dsc_now_s();
    const bool is_last = p->n_total > 0 && n_done >= p->n_total;

    if (p->mode == DSC_PROGRESS_NONE)
        return;
    if (!is_last && now - p->last_s < (p->mode == DSC_PROGRESS_AUTO ? 0.1 : 1.0))
        return;
    p->last_s = now;
    if (p->mode == DSC_PROGRESS_JSON)
        draw_json(p, n_done, fields, n_fields, now);
    else
        draw_text(p, n_done, fields, n_fields, now);
    fflush(p->term->f);
}

void dsc_progress_hide(struct dsc_progress *p)
{
    if (p->is_drawn)
        fputs("\r\033[K", p->term->f);
    p->is_drawn = false;
}

void dsc_progress_end(struct dsc_cmd *cmd)
{
    if (cmd->progress && cmd->progress->is_drawn)
        fputc('\n', cmd->term_err.f);
    cmd->progress = NULL;
}
