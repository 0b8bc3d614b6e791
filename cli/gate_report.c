/* The gate's verdict in four forms. */
#include "gate_report.h"

#include "dsc/io.h"
#include "table.h"

#include <math.h>
#include <string.h>

enum { NUMBER_BYTES = 48, BOUNDS_BYTES = 128, SENTENCE_BYTES = 512 };

/* In the units of the check: a fraction, bytes, a count, a ratio. */
static void put_number(char out[NUMBER_BYTES], enum dsc_check_kind kind, double x)
{
    if (!isfinite(x))
        snprintf(out, NUMBER_BYTES, "-");
    else if (kind == DSC_CHECK_MAX_SIZE)
        snprintf(out, NUMBER_BYTES, "%.3f MB", x / 1e6);
    else if (kind == DSC_CHECK_MAX_PARAMS)
        snprintf(out, NUMBER_BYTES, "%.0f", x);
    else if (kind == DSC_CHECK_MIN_SPEEDUP)
        snprintf(out, NUMBER_BYTES, "%.2fx", x);
    else if (kind == DSC_CHECK_RETAIN)
        snprintf(out, NUMBER_BYTES, "%.3f%%", 100 * x);
    else
        snprintf(out, NUMBER_BYTES, "%.5f", x);
}

/* Candidate and baseline of a ratio are metrics, not ratios. */
static void put_metric(char out[NUMBER_BYTES], enum dsc_check_kind kind, double x)
{
    put_number(out, kind == DSC_CHECK_RETAIN ? DSC_CHECK_MIN : kind, x);
}

static const char *relation(enum dsc_check_kind kind)
{
    const bool is_floor =
        kind == DSC_CHECK_MIN || kind == DSC_CHECK_RETAIN || kind == DSC_CHECK_MIN_SPEEDUP;

    return is_floor ? ">=" : "<=";
}

static void put_bounds(char out[BOUNDS_BYTES], const struct dsc_gate_row *r)
{
    char low[NUMBER_BYTES], high[NUMBER_BYTES];

    if (!r->has_bounds) {
        snprintf(out, BOUNDS_BYTES, "-");
        return;
    }
    put_number(low, r->check->kind, r->low);
    put_number(high, r->check->kind, r->high);
    snprintf(out, BOUNDS_BYTES, "%s .. %s", low, high);
}

/* "max-drop f1: 0.02000, must be <= 0.01000; .." */
static void put_sentence(char out[SENTENCE_BYTES], const struct dsc_gate_row *r)
{
    char value[NUMBER_BYTES], bar[NUMBER_BYTES], bounds[BOUNDS_BYTES];
    size_t at;

    put_number(value, r->check->kind, r->value);
    put_number(bar, r->check->kind, r->bar);
    at = (size_t)snprintf(out, SENTENCE_BYTES, "%s: %s, must be %s %s", r->name, value,
                          relation(r->check->kind), bar);
    if (r->has_bounds) {
        put_bounds(bounds, r);
        at += (size_t)snprintf(out + at, SENTENCE_BYTES - at, ", bounds %s", bounds);
    }
    if (r->note[0])
        at += (size_t)snprintf(out + at, SENTENCE_BYTES - at, "; %s", r->note);
    if (r->is_straddling && r->n_decide)
        snprintf(out + at, SENTENCE_BYTES - at, "; about %llu examples would decide",
                 (unsigned long long)r->n_decide);
}

static enum dsc_status add_checks(struct dsc_cmd *cmd, enum dsc_opt_id id, enum dsc_check_kind kind,
                                  struct dsc_check *checks, size_t *n_checks, struct dsc_err *err)
{
    int n_items;
    const char *const *items = dsc_opt_items(cmd, id, &n_items);

    for (int i = 0; i < n_items; i++) {
        if (checks && dsc_check_parse(kind, items[i], &checks[*n_checks], err) != DSC_OK)
            return dsc_err_where(err, "--%s", dsc_opt_rows[id].name);
        *n_checks += 1;
    }
    return DSC_OK;
}

static enum dsc_status walk_options(struct dsc_cmd *cmd, struct dsc_check *checks, size_t *n_checks,
                                    struct dsc_err *err)
{
    static const struct {
        enum dsc_opt_id id;
        enum dsc_check_kind kind;
    } rows[] = {
        {DSC_OPT_min, DSC_CHECK_MIN},
        {DSC_OPT_max_drop, DSC_CHECK_MAX_DROP},
        {DSC_OPT_retain, DSC_CHECK_RETAIN},
        {DSC_OPT_max_size, DSC_CHECK_MAX_SIZE},
        {DSC_OPT_max_params, DSC_CHECK_MAX_PARAMS},
        {DSC_OPT_min_speedup, DSC_CHECK_MIN_SPEEDUP},
    };

    *n_checks = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        DSC_TRY(add_checks(cmd, rows[i].id, rows[i].kind, checks, n_checks, err));
    return DSC_OK;
}

enum dsc_status dsc_gate_checks(struct dsc_cmd *cmd, struct dsc_check **checks, size_t *n_checks,
                                struct dsc_err *err)
{
    DSC_TRY(walk_options(cmd, NULL, n_checks, err));
    if (*n_checks == 0) {
        dsc_fail(err, DSC_E_USAGE, "no bar is given");
        return dsc_err_hint(err, "for example --min f1=0.9, --max-drop f1=0.01, --max-size 15MB");
    }
    DSC_NEW(*checks, cmd->arena, *n_checks, err);
    return walk_options(cmd, *checks, n_checks, err);
}

static void print_row(struct dsc_cmd *cmd, struct dsc_table *t, const struct dsc_gate_row *r)
{
    char text[NUMBER_BYTES], bounds[BOUNDS_BYTES];
    const enum dsc_check_kind kind = r->check->kind;

    dsc_table_cell(t, "%s", r->name);
    put_metric(text, kind, r->baseline);
    dsc_table_cell(t, "%s", text);
    put_metric(text, kind, r->candidate);
    dsc_table_cell(t, "%s", text);
    put_number(text, kind, r->value);
    dsc_table_cell(t, "%s", text);
    put_bounds(bounds, r);
    dsc_table_cell(t, "%s", bounds);
    put_number(text, kind, r->bar);
    dsc_table_cell(t, "%s %s", relation(kind), text);
    dsc_table_cell(t, "%s", r->pass ? "pass" : "FAIL");
}

enum dsc_status dsc_gate_print(struct dsc_cmd *cmd, const struct dsc_verdict *v,
                               struct dsc_err *err)
{
    struct dsc_table t;
    char text[SENTENCE_BYTES];

    dsc_table_init(&t, cmd->arena, "check,>baseline,>candidate,>value,>bounds,>bar,result");
    for (size_t i = 0; i < v->n_rows; i++)
        print_row(cmd, &t, &v->rows[i]);
    DSC_TRY(dsc_table_print(&t, cmd->out, err));
    for (size_t i = 0; i < v->n_rows; i++) {
        const struct dsc_gate_row *r = &v->rows[i];

        if (!r->note[0] && !(r->is_straddling && r->n_decide))
            continue;
        put_sentence(text, r);
        fprintf(cmd->out, "%s\n", text);
    }
    if (v->has_mcnemar)
        fprintf(cmd->out,
                "McNemar: %llu examples right only in the baseline, %llu only in the candidate, "
                "p = %.4g; %llu labels differ\n",
                (unsigned long long)v->mcnemar.n_only_base,
                (unsigned long long)v->mcnemar.n_only_cand, v->mcnemar.p_exact,
                (unsigned long long)v->mcnemar.n_flips);
    fprintf(cmd->out, "gate: %s%s%s, %zu of %zu checks failed, %zu examples\n",
            dsc_term_style(&cmd->term_out, v->pass ? DSC_STYLE_GREEN : DSC_STYLE_RED),
            v->pass ? "PASS" : "FAIL", dsc_term_style(&cmd->term_out, DSC_STYLE_NONE), v->n_failed,
            v->n_rows, v->n_examples);
    return DSC_OK;
}

static void json_row(struct dsc_json *j, const struct dsc_gate_row *r)
{
    dsc_json_object(j, NULL);
    dsc_json_text(j, "name", r->name);
    dsc_json_float(j, "bar", r->bar);
    dsc_json_float(j, "value", r->value);
    dsc_json_bool(j, "pass", r->pass);
    dsc_json_float(j, "candidate", r->candidate);
    dsc_json_float(j, "baseline", r->baseline);
    if (r->has_bounds) {
        dsc_json_float(j, "low", r->low);
        dsc_json_float(j, "high", r->high);
    }
    if (r->is_straddling)
        dsc_json_int(j, "n_decide", (int64_t)r->n_decide);
    if (r->note[0])
        dsc_json_text(j, "note", r->note);
    dsc_json_end(j);
}

void dsc_gate_json(struct dsc_json *j, const struct dsc_verdict *v)
{
    dsc_json_bool(j, "pass", v->pass);
    dsc_json_int(j, "n", (int64_t)v->n_examples);
    dsc_json_array(j, "checks");
    for (size_t i = 0; i < v->n_rows; i++)
        json_row(j, &v->rows[i]);
    dsc_json_end(j);
    if (!v->has_mcnemar)
        return;
    dsc_json_object(j, "mcnemar");
    dsc_json_int(j, "only_baseline", (int64_t)v->mcnemar.n_only_base);
    dsc_json_int(j, "only_candidate", (int64_t)v->mcnemar.n_only_cand);
    dsc_json_int(j, "flips", (int64_t)v->mcnemar.n_flips);
    dsc_json_float(j, "p_exact", v->mcnemar.p_exact);
    dsc_json_float(j, "chi2", v->mcnemar.chi2);
    dsc_json_float(j, "p_chi2", v->mcnemar.p_chi2);
    dsc_json_end(j);
}

/* Workflow commands end at a newline; in a title, ':' and ',' would end the value too. */
static void put_github(FILE *f, const char *s, bool is_title)
{
    for (; *s; s++) {
        const bool is_special =
            *s == '%' || *s == '\r' || *s == '\n' || (is_title && (*s == ':' || *s == ','));

        if (is_special)
            fprintf(f, "%%%02X", (unsigned char)*s);
        else
            fputc(*s, f);
    }
}

void dsc_gate_github(FILE *f, const struct dsc_verdict *v, const char *candidate)
{
    char text[SENTENCE_BYTES];

    for (size_t i = 0; i < v->n_rows; i++) {
        put_sentence(text, &v->rows[i]);
        fprintf(f, "::%s title=gate ", v->rows[i].pass ? "notice" : "error");
        put_github(f, candidate, true);
        fputs("::", f);
        put_github(f, text, false);
        fputc('\n', f);
    }
}

/* Attribute text; XML 1.0 has no control characters but tab, newline, return. */
static void put_xml(struct dsc_out *o, const char *s)
{
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;

        if (c == '&' || c == '<' || c == '>' || c == '"')
            dsc_out_printf(o, "&#%d;", c);
        else if (c < 0x20 || c == 0x7F)
            dsc_out_text(o, "?");
        else
            dsc_out_write(o, s, 1);
    }
}

static void junit_row(struct dsc_out *o, const struct dsc_gate_row *r, const char *candidate)
{
    char text[SENTENCE_BYTES];

    put_sentence(text, r);
    dsc_out_text(o, "    <testcase classname=\"");
    put_xml(o, candidate);
    dsc_out_text(o, "\" name=\"");
    put_xml(o, r->name);
    dsc_out_text(o, "\">\n");
    dsc_out_text(o, r->pass ? "      <system-out>" : "      <failure message=\"");
    put_xml(o, text);
    dsc_out_text(o, r->pass ? "</system-out>\n" : "\"/>\n");
    dsc_out_text(o, "    </testcase>\n");
}

enum dsc_status dsc_gate_junit(const struct dsc_verdict *v, const char *candidate, const char *path,
                               bool may_replace, struct dsc_err *err)
{
    struct dsc_out o;

    DSC_TRY(dsc_out_open(&o, path, may_replace, err));
    dsc_out_text(&o, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    dsc_out_printf(&o, "  <testsuite name=\"dscompress gate\" tests=\"%zu\" failures=\"%zu\">\n",
                   v->n_rows, v->n_failed);
    for (size_t i = 0; i < v->n_rows; i++)
        junit_row(&o, &v->rows[i], candidate);
    dsc_out_text(&o, "  </testsuite>\n</testsuites>\n");
    return dsc_out_commit(&o, err);
}
