/* The JSON writer. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 sequence at s, 0 when it is none (Unicode 15, table 3-7). */
static size_t utf8_bytes(const unsigned char *s)
{
    const unsigned c = s[0];
    const size_t n = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && s[1] < 0xA0) || (c == 0xED && s[1] > 0x9F) || (c == 0xF0 && s[1] < 0x90) ||
        (c == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

static void add_escaped(struct dsc_bytes *b, const char *text)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
    const unsigned char *s = (const unsigned char *)text;

    dsc_bytes_text(b, "\"");
    while (*s) {
        const char *at = strchr(plain, *s);
        const size_t n = utf8_bytes(s);

        if (at)
            dsc_bytes_printf(b, "\\%c", letter[at - plain]);
        else if (*s < 0x20 || *s == 0x7F)
            dsc_bytes_printf(b, "\\u%04x", *s);
        else if (n == 0)
            dsc_bytes_text(b, "\xEF\xBF\xBD");
        else
            dsc_bytes_add(b, s, n);
        s += n ? n : 1;
    }
    dsc_bytes_text(b, "\"");
}

static void begin_item(struct dsc_json *j, const char *key)
{
    if (j->depth > 0) {
        if (j->has_items[j->depth - 1])
            dsc_bytes_text(&j->text, ",");
        j->has_items[j->depth - 1] = true;
    }
    if (key) {
        add_escaped(&j->text, key);
        dsc_bytes_text(&j->text, ":");
    }
}

static void open_level(struct dsc_json *j, const char *key, bool is_array)
{
    begin_item(j, key);
    dsc_bytes_text(&j->text, is_array ? "[" : "{");
    if (j->depth == DSC_JSON_MAX_DEPTH) {
        j->text.is_failed = true; /* no report is that deep: a defect, shown as a failed write */
        return;
    }
    j->is_array[j->depth] = is_array;
    j->has_items[j->depth] = false;
    j->depth++;
}

void dsc_json_object(struct dsc_json *j, const char *key)
{
    open_level(j, key, false);
}

void dsc_json_array(struct dsc_json *j, const char *key)
{
    open_level(j, key, true);
}

void dsc_json_end(struct dsc_json *j)
{
    if (j->depth > 0)
        dsc_bytes_text(&j->text, j->is_array[--j->depth] ? "]" : "}");
}

void dsc_json_text(struct dsc_json *j, const char *key, const char *value)
{
    if (!value) {
        dsc_json_null(j, key);
        return;
    }
    begin_item(j, key);
    add_escaped(&j->text, value);
}

void dsc_json_int(struct dsc_json *j, const char *key, int64_t value)
{
    begin_item(j, key);
    dsc_bytes_printf(&j->text, "%lld", (long long)value);
}

void dsc_json_number(char out[32], double value)
{
    if (!isfinite(value)) {
        snprintf(out, 32, "null");
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            return;
    }
}

void dsc_json_float(struct dsc_json *j, const char *key, double value)
{
    char text[32];

    begin_item(j, key);
    dsc_json_number(text, value);
    dsc_bytes_text(&j->text, text);
}

void dsc_json_bool(struct dsc_json *j, const char *key, bool value)
{
    begin_item(j, key);
    dsc_bytes_text(&j->text, value ? "true" : "false");
}

void dsc_json_null(struct dsc_json *j, const char *key)
{
    begin_item(j, key);
    dsc_bytes_text(&j->text, "null");
}

void dsc_json_clear(struct dsc_json *j)
{
    dsc_bytes_clear(&j->text);
    *j = (struct dsc_json){0};
}
