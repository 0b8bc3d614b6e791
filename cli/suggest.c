/* The nearest word, for "did you mean". */
#include "opt.h"

#include <string.h>

enum { MAX_WORD = 40 };

static int min3(int a, int b, int c)
{
    const int ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Optimal string alignment: insert, delete, replace, swap of neighbours cost 1 each. */
static int distance(const char *a, const char *b)
{
    const int n = (int)strlen(a), m = (int)strlen(b);
    int d[MAX_WORD + 1][MAX_WORD + 1];

    for (int i = 0; i <= n; i++)
        d[i][0] = i;
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++) {
        for (int j = 1; j <= m; j++) {
            d[i][j] =
                min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = min3(d[i][j], d[i - 2][j - 2] + 1, d[i][j]);
        }
    }
    return d[n][m];
}

const char *dsc_nearest(const char *word, const char *const *words, int n)
{
    const size_t n_word = strlen(word);
    int best = 1 + (int)n_word / 3;
    const char *found = NULL;

    if (n_word > MAX_WORD)
        return NULL;
    for (int i = 0; i < n; i++) {
        const int d = strlen(words[i]) <= MAX_WORD ? distance(word, words[i]) : MAX_WORD;

        if (d < best || (d == best && !found)) {
            best = d;
            found = words[i];
        }
    }
    return found;
}
