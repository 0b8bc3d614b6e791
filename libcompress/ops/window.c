/* Windows as attributes describe them. */
#include "ops/window.h"

#include <inttypes.h>
#include <string.h>

/* `n` integers of an attribute, each in [low, DSC_WINDOW_MAX]; absent: v stays as it is. */
static enum dsc_status read_list(const struct dsc_node *n, const char *attr, int n_v, int64_t low,
                                 int64_t *v, struct dsc_err *err)
{
    const int64_t *list;
    const int n_list = dsc_node_ints(n, attr, &list);

    if (n_list < 0)
        return DSC_OK;
    if (n_list != n_v)
        return dsc_fail(err, DSC_E_SHAPE, "%d numbers in %s, not %d", n_list, attr, n_v);
    for (int i = 0; i < n_v; i++) {
        if (list[i] < low || list[i] > DSC_WINDOW_MAX)
            return dsc_fail(err, DSC_E_RANGE, "%" PRId64 " in %s", list[i], attr);
        v[i] = list[i];
    }
    return DSC_OK;
}

enum auto_pad { NOTSET, VALID, SAME_UPPER, SAME_LOWER };

static enum dsc_status read_auto_pad(const struct dsc_node *n, enum auto_pad *mode,
                                     struct dsc_err *err)
{
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    const char *name = dsc_node_string(n, "auto_pad", "NOTSET");

    for (int i = NOTSET; i <= SAME_LOWER; i++) {
        *mode = (enum auto_pad)i;
        if (strcmp(name, names[i]) == 0)
            return DSC_OK;
    }
    return dsc_fail(err, DSC_E_UNSUPPORTED, "auto_pad '%s'", name);
}

/* Positions from the first to the last of a window's kernel. */
static int64_t extent_of(const struct dsc_window *w, int i)
{
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

static enum dsc_status read_lists(struct dsc_window *w, const struct dsc_node *n, int rank,
                                  const int64_t *kernel, struct dsc_err *err)
{
    int64_t pads[2 * DSC_MAX_SPATIAL] = {0};

    *w = (struct dsc_window){.rank = rank};
    if (rank < 1 || rank > DSC_MAX_SPATIAL)
        return dsc_fail(err, DSC_E_SHAPE, "%d spatial axes", rank);
    for (int i = 0; i < rank; i++) {
        if (kernel[i] == 0 || kernel[i] > DSC_WINDOW_MAX)
            return dsc_fail(err, DSC_E_RANGE, "a kernel of %" PRId64 " positions", kernel[i]);
        w->kernel[i] = kernel[i];
        w->stride[i] = w->dilation[i] = 1;
    }
    DSC_TRY(read_list(n, "strides", rank, 1, w->stride, err));
    DSC_TRY(read_list(n, "dilations", rank, 1, w->dilation, err));
    DSC_TRY(read_list(n, "pads", 2 * rank, 0, pads, err));
    memcpy(w->before, pads, (size_t)rank * sizeof *pads);
    memcpy(w->after, pads + rank, (size_t)rank * sizeof *pads);
    return DSC_OK;
}

/* As many windows as positions (over the stride): what padding that takes, the odd one behind
 * (SAME_UPPER) or in front. */
static void pad_same(struct dsc_window *w, int i, bool is_upper)
{
    const int64_t total =
        w->in[i] < 0 ? 0 : (w->out[i] - 1) * w->stride[i] + extent_of(w, i) - w->in[i];
    const int64_t half = total > 0 ? total / 2 : 0, rest = total > 0 ? total - half : 0;

    w->before[i] = is_upper ? half : rest;
    w->after[i] = is_upper ? rest : half;
}

static enum dsc_status count_windows(struct dsc_window *w, int i, bool rounds_up,
                                     struct dsc_err *err)
{
    const int64_t padded = w->in[i] + w->before[i] + w->after[i], room = padded - extent_of(w, i);

    if (w->stride[i] == 1 && w->before[i] + w->after[i] == extent_of(w, i) - 1) {
        w->out[i] = w->in[i];
        return DSC_OK;
    }
    if (w->in[i] < 0) {
        w->out[i] = DSC_DIM_UNKNOWN;
        return DSC_OK;
    }
    if (room < 0)
        return dsc_fail(err, DSC_E_SHAPE,
                        "a kernel over %" PRId64 " positions of %" PRId64 ", padding and all",
                        extent_of(w, i), padded);
    w->out[i] = room / w->stride[i] + 1;
    if (rounds_up && room % w->stride[i] && w->out[i] * w->stride[i] < w->in[i] + w->before[i])
        w->out[i]++;
    return DSC_OK;
}

enum dsc_status dsc_window_read(struct dsc_window *w, const struct dsc_node *n, int rank,
                                const int64_t *kernel, const int64_t *in, struct dsc_err *err)
{
    const bool rounds_up = dsc_node_int(n, "ceil_mode", 0) != 0;
    enum auto_pad mode;

    DSC_TRY(read_lists(w, n, rank, kernel, err));
    DSC_TRY(read_auto_pad(n, &mode, err));
    for (int i = 0; i < rank; i++) {
        w->in[i] = in[i];
        if (mode != NOTSET)
            w->before[i] = w->after[i] = 0;
        if (kernel[i] < 0) {
            w->out[i] = DSC_DIM_UNKNOWN;
        } else if (mode >= SAME_UPPER) {
            w->out[i] = w->stride[i] == 1 ? in[i]
                        : in[i] < 0       ? DSC_DIM_UNKNOWN
                                          : (in[i] + w->stride[i] - 1) / w->stride[i];
            pad_same(w, i, mode == SAME_UPPER);
        } else {
            DSC_TRY(count_windows(w, i, rounds_up, err));
        }
    }
    return DSC_OK;
}

/* Of a size in: the windows' padding that leaves `size` positions. More than there are: behind. */
static void pad_to_size(struct dsc_window *w, int i, int64_t full, int64_t size, bool is_upper)
{
    const int64_t total = full - size, half = total > 0 ? total / 2 : 0;

    w->in[i] = size;
    w->before[i] = is_upper || total < 0 ? half : total - half;
    w->after[i] = total - w->before[i];
}

enum dsc_status dsc_window_read_transposed(struct dsc_window *w, const struct dsc_node *n, int rank,
                                           const int64_t *kernel, const int64_t *out,
                                           struct dsc_err *err)
{
    int64_t extra[DSC_MAX_SPATIAL] = {0}, size[DSC_MAX_SPATIAL] = {0};
    const int64_t *list;
    const bool has_size = dsc_node_ints(n, "output_shape", &list) >= 0;
    enum auto_pad mode;

    DSC_TRY(read_lists(w, n, rank, kernel, err));
    DSC_TRY(read_auto_pad(n, &mode, err));
    DSC_TRY(read_list(n, "output_padding", rank, 0, extra, err));
    DSC_TRY(read_list(n, "output_shape", rank, 0, size, err));
    for (int i = 0; i < rank; i++) {
        int64_t full;

        w->out[i] = out[i];
        w->in[i] = has_size ? size[i] : DSC_DIM_UNKNOWN;
        if (kernel[i] < 0 || out[i] < 0)
            continue;
        if (out[i] > INT64_MAX / 2 / DSC_WINDOW_MAX)
            return dsc_fail(err, DSC_E_OVERFLOW, "%" PRId64 " positions", out[i]);
        full = out[i] > 0 ? w->stride[i] * (out[i] - 1) + extra[i] + extent_of(w, i) : 0;
        if (mode != NOTSET)
            w->before[i] = w->after[i] = 0;
        if (has_size || mode >= SAME_UPPER)
            pad_to_size(w, i, full, has_size ? size[i] : out[i] * w->stride[i], mode == SAME_UPPER);
        else
            w->in[i] = full - w->before[i] - w->after[i];
        if (w->in[i] < 0)
            return dsc_fail(err, DSC_E_SHAPE, "pads of %" PRId64 " cut off more than %" PRId64,
                            w->before[i] + w->after[i], full);
    }
    return DSC_OK;
}

enum dsc_status dsc_window_kernel(const struct dsc_node *n, int rank, int64_t *kernel,
                                  struct dsc_err *err)
{
    const int64_t *list;

    if (dsc_node_ints(n, "kernel_shape", &list) < 0)
        return dsc_fail(err, DSC_E_SHAPE, "there is no kernel_shape");
    return read_list(n, "kernel_shape", rank, 1, kernel, err);
}
