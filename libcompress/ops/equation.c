/* Equations of Einsum: letters, ellipsis, an arrow or none. */
#include "ops/equation.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* Labels: 0 .. 51 letters, then the axes of the ellipsis, counted from the right. */
enum { ELLIPSIS = 52 };

static int letter(char c)
{
    return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? 26 + c - 'A' : -1;
}

/* One term up to ',' or "->" or the end; rank: of its tensor, or of the ellipsis if is_out. */
static enum dsc_status parse_part(const char **text, int rank, bool is_out, struct dsc_part *p,
                                  struct dsc_err *err)
{
    int n_letters = 0, n_dots = 0;
    const char *s = *text;

    for (const char *c = s; *c && *c != ',' && *c != '-'; c++)
        n_letters += letter(*c) >= 0;
    n_dots = is_out ? rank : rank - n_letters;
    *p = (struct dsc_part){0};
    for (; *s && *s != ',' && *s != '-'; s++) {
        if (isspace((unsigned char)*s))
            continue;
        if (strncmp(s, "...", 3) == 0) {
            for (int i = n_dots - 1; i >= 0 && p->n < DSC_MAX_RANK; i--)
                p->label[p->n++] = ELLIPSIS + i;
            s += 2;
        } else if (letter(*s) < 0 || p->n == DSC_MAX_RANK) {
            return dsc_fail(err, DSC_E_SCHEMA, "the equation has '%c' where a letter should be",
                            *s);
        } else {
            p->label[p->n++] = letter(*s);
        }
    }
    if (!is_out && p->n != rank)
        return dsc_fail(err, DSC_E_SHAPE, "a term of %d labels for a tensor of rank %d", p->n,
                        rank);
    *text = s;
    return DSC_OK;
}

/* Without an arrow: the ellipsis, then the letters that stand once, in order. */
static enum dsc_status implied_out(struct dsc_equation *q, int n_dots, struct dsc_err *err)
{
    int count[ELLIPSIS] = {0};

    for (int t = 0; t < q->n_terms; t++)
        for (int i = 0; i < q->term[t].n; i++)
            if (q->term[t].label[i] < ELLIPSIS)
                count[q->term[t].label[i]]++;
    for (int i = n_dots - 1; i >= 0; i--)
        q->out.label[q->out.n++] = ELLIPSIS + i;
    for (int k = 0; k < ELLIPSIS; k++) {
        const int l = k < 26 ? k + 26 : k - 26; /* capitals come first, as in ASCII */

        if (count[l] != 1)
            continue;
        if (q->out.n == DSC_MAX_RANK)
            return dsc_fail(err, DSC_E_UNSUPPORTED, "a result of more than %d axes", DSC_MAX_RANK);
        q->out.label[q->out.n++] = l;
    }
    return DSC_OK;
}

static enum dsc_status set_sizes(struct dsc_equation *q, const struct dsc_type *in,
                                 struct dsc_err *err)
{
    for (int l = 0; l < CONTRACT_MAX_LABELS; l++)
        q->size[l] = 1;
    for (int t = 0; t < q->n_terms; t++) {
        for (int i = 0; i < q->term[t].n; i++) {
            int64_t *size = &q->size[q->term[t].label[i]];
            const int64_t d = in[t].dim[i];

            if (d == *size || d == 1)
                continue;
            if (*size >= 0 && *size != 1 && d >= 0)
                return dsc_fail(err, DSC_E_SHAPE,
                                "one label has the sizes %" PRId64 " and %" PRId64, *size, d);
            *size = *size == 1 || d >= 0 ? d : *size;
        }
    }
    return DSC_OK;
}

/* A label behind the arrow stands for an axis that some input has. */
static enum dsc_status check_out(const struct dsc_equation *q, struct dsc_err *err)
{
    bool is_known[CONTRACT_MAX_LABELS] = {false};

    for (int t = 0; t < q->n_terms; t++)
        for (int i = 0; i < q->term[t].n; i++)
            is_known[q->term[t].label[i]] = true;
    for (int i = 0; i < q->out.n; i++) {
        const int l = q->out.label[i];

        if (!is_known[l])
            return dsc_fail(err, DSC_E_SCHEMA, "no input has the label '%c' of the output",
                            l < 26 ? 'a' + l : 'A' + l - 26);
    }
    return DSC_OK;
}

enum dsc_status dsc_equation_parse(const struct dsc_node *n, const struct dsc_type *in,
                                   struct dsc_equation *q, struct dsc_err *err)
{
    const char *text = dsc_node_string(n, "equation", "");
    int n_dots = 0;

    *q = (struct dsc_equation){.n_terms = n->n_in};
    if (n->n_in > CONTRACT_MAX_TERMS)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "more than %d terms", CONTRACT_MAX_TERMS);
    for (int t = 0; t < n->n_in; t++) {
        DSC_TRY(parse_part(&text, in[t].rank, false, &q->term[t], err));
        for (int i = 0; i < q->term[t].n; i++)
            if (q->term[t].label[i] >= ELLIPSIS + n_dots)
                n_dots = q->term[t].label[i] - ELLIPSIS + 1;
        if (t + 1 < n->n_in && *text++ != ',')
            return dsc_fail(err, DSC_E_SCHEMA, "the equation has fewer terms than inputs");
    }
    DSC_TRY(set_sizes(q, in, err));
    if (*text == 0)
        return implied_out(q, n_dots, err);
    if (strncmp(text, "->", 2) != 0)
        return dsc_fail(err, DSC_E_SCHEMA, "the equation has more terms than inputs");
    text += 2;
    DSC_TRY(parse_part(&text, n_dots, true, &q->out, err));
    return check_out(q, err);
}
