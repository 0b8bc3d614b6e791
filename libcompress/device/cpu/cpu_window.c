/* Windows as runs of neighbours along the last axis: bounds are looked at once a run. */
#include "device/cpu/cpu_window.h"

static int64_t product(const int64_t *v, int n)
{
    int64_t p = 1;

    for (int i = 0; i < n; i++)
        p *= v[i];
    return p;
}

int64_t dsc_cpu_window_n_in(const struct dsc_window *w)
{
    return product(w->in, w->rank);
}

int64_t dsc_cpu_window_n_out(const struct dsc_window *w)
{
    return product(w->out, w->rank);
}

int64_t dsc_cpu_window_n_taps(const struct dsc_window *w)
{
    return product(w->kernel, w->rank);
}

/* Row-major number to places. */
static void places_of(int64_t number, const int64_t *dim, int rank, int64_t *place)
{
    for (int i = rank - 1; i >= 0; i--) {
        place[i] = number % dim[i];
        number /= dim[i];
    }
}

void dsc_cpu_block_init(struct dsc_cpu_block *b, const struct dsc_window *w, int64_t first,
                        int64_t n)
{
    const int inner = w->rank - 1;

    b->win = w;
    b->first = first;
    b->n = (int)n;
    b->n_pieces = 0;
    for (int at = 0; at < b->n;) {
        struct dsc_cpu_piece *p = &b->piece[b->n_pieces++];
        int64_t row_end;

        places_of(first + at, w->out, w->rank, p->place);
        row_end = at + w->out[inner] - p->place[inner];
        p->at = at;
        p->n = (int)((row_end < n ? row_end : n) - at);
        at += p->n;
    }
}

/* The smallest o with o * step >= v. */
static int64_t ceil_div(int64_t v, int64_t step)
{
    return v <= 0 ? -(-v / step) : (v + step - 1) / step;
}

/* The input's row under a piece, or -1 outside of it. */
static int64_t row_under(const struct dsc_window *w, const struct dsc_cpu_piece *p,
                         const int64_t *shift)
{
    int64_t row = 0;

    for (int i = 0; i < w->rank - 1; i++) {
        const int64_t at = p->place[i] * w->stride[i] + shift[i];

        if (at < 0 || at >= w->in[i])
            return -1;
        row = row * w->in[i] + at;
    }
    return row;
}

int dsc_cpu_block_runs(const struct dsc_cpu_block *b, int64_t tap, struct dsc_cpu_run *run)
{
    const struct dsc_window *w = b->win;
    const int inner = w->rank - 1;
    const int64_t step = w->stride[inner], n_in = w->in[inner];
    int64_t shift[DSC_MAX_SPATIAL], low, high;
    int n = 0;

    places_of(tap, w->kernel, w->rank, shift);
    for (int i = 0; i < w->rank; i++)
        shift[i] = shift[i] * w->dilation[i] - w->before[i];
    low = ceil_div(-shift[inner], step);
    high = ceil_div(n_in - shift[inner], step);
    for (int k = 0; k < b->n_pieces; k++) {
        const struct dsc_cpu_piece *p = &b->piece[k];
        const int64_t from = p->place[inner] > low ? p->place[inner] : low;
        const int64_t end = p->place[inner] + p->n < high ? p->place[inner] + p->n : high;
        const int64_t row = row_under(w, p, shift);

        if (row < 0 || from >= end)
            continue;
        run[n++] = (struct dsc_cpu_run){.at = p->at + (int)(from - p->place[inner]),
                                        .n = (int)(end - from),
                                        .src = row * n_in + from * step + shift[inner]};
    }
    return n;
}
