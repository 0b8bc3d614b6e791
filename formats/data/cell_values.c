/* Numbers and times in cells. */
#include "tabular.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX_BYTES = 64 };

bool dsc_cell_number(const struct dsc_text *cell, double *v)
{
    char s[CELL_MAX_BYTES + 1], *end;

    if (cell->n_bytes == 0 || cell->n_bytes > CELL_MAX_BYTES ||
        memchr(cell->data, '\0', cell->n_bytes) || isspace((unsigned char)cell->data[0]))
        return false;
    memcpy(s, cell->data, cell->n_bytes);
    s[cell->n_bytes] = '\0';
    *v = strtod(s, &end);
    return *end == '\0' && isfinite(*v);
}

/* n digits at *at as a number; *at moves behind them. */
static bool digits(const struct dsc_text *t, size_t *at, int n, int *v)
{
    *v = 0;
    for (int i = 0; i < n; i++, ++*at) {
        if (*at >= t->n_bytes || !isdigit((unsigned char)t->data[*at]))
            return false;
        *v = *v * 10 + (t->data[*at] - '0');
    }
    return true;
}

static bool mark(const struct dsc_text *t, size_t *at, const char *any)
{
    if (*at >= t->n_bytes || !strchr(any, t->data[*at]) || t->data[*at] == '\0')
        return false;
    ++*at;
    return true;
}

/* Days from 1970-01-01, years of 400 years at a time (proleptic Gregorian calendar). */
static int64_t days_of(int year, int month, int day)
{
    const int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    const int64_t of_era = y - era * 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool dsc_cell_time(const struct dsc_text *cell, double *seconds)
{
    int year, month, day, hour = 0, minute = 0, second = 0;
    size_t at = 0;

    if (dsc_cell_number(cell, seconds))
        return true;
    if (!digits(cell, &at, 4, &year) || !mark(cell, &at, "-") || !digits(cell, &at, 2, &month) ||
        !mark(cell, &at, "-") || !digits(cell, &at, 2, &day))
        return false;
    if (mark(cell, &at, " T") &&
        (!digits(cell, &at, 2, &hour) || !mark(cell, &at, ":") || !digits(cell, &at, 2, &minute) ||
         (mark(cell, &at, ":") && !digits(cell, &at, 2, &second))))
        return false;
    (void)mark(cell, &at, "Z");
    if (at != cell->n_bytes || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    *seconds = (double)(days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second);
    return true;
}
