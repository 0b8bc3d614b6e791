/*
 * attention: scores, mask, softmax and the weighted sum of values, for a block of queries of one
 * head at a time. Scores of 32 queries live in the cache and nowhere else; queries are read in
 * place, one head's keys and values are packed into the panels of the products.
 *
 * Blocks are dealt out to a fixed number of tasks, each with scratch of its own: results do not
 * depend on threads.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

enum { QUERIES = 128 }; /* of a block: what one packing of the keys serves */

struct attention_job {
    const struct dsc_kernels *kernels;
    const struct dsc_attention_spec *s;
    float *y, *scratch;
    const float *q, *k, *v;
    int64_t n_blocks, n_items, n_tasks;
};

struct head {
    int64_t batch, head;
    float *scores;
    const float *keys, *values; /* packed: rows of other heads lie between, and evict each other */
};

static void add_bias(const struct attention_job *j, int which, float *scores, const struct head *h,
                     int64_t query)
{
    const int64_t *step = j->s->bias_walk[which].stride, n = j->s->n_k;
    const float *bias = (const float *)j->s->bias[which]->data + h->batch * step[0] +
                        h->head * step[1] + query * step[2];

    if (step[3] == 1)
        j->kernels->add_f32(scores, scores, bias, n);
    else
        for (int64_t i = 0; i < n; i++)
            scores[i] += bias[i * step[3]];
}

static void some_queries(const struct attention_job *j, const struct head *h, int64_t query,
                         int64_t n_rows)
{
    const struct dsc_attention_spec *s = j->s;
    const int64_t row = (h->batch * s->n_q + query) * s->n_heads + h->head;
    const struct dsc_sgemm_packed scores = {.m = n_rows,
                                            .n = s->n_k,
                                            .k = s->d,
                                            .a = j->q + row * s->d,
                                            .a_step = s->n_heads * s->d,
                                            .b = h->keys,
                                            .b_step = DSC_SGEMM_PANEL,
                                            .b_panel_step = DSC_SGEMM_PANEL * s->d,
                                            .alpha = s->scale,
                                            .y = h->scores,
                                            .y_step = s->n_k};
    const struct dsc_sgemm_packed sums = {.m = n_rows,
                                          .n = s->d_v,
                                          .k = s->n_k,
                                          .a = h->scores,
                                          .a_step = s->n_k,
                                          .b = h->values,
                                          .b_step = DSC_SGEMM_PANEL,
                                          .b_panel_step = DSC_SGEMM_PANEL * s->n_k,
                                          .alpha = 1,
                                          .y = j->y + row * s->d_v,
                                          .y_step = s->n_heads * s->d_v};

    j->kernels->sgemm_packed(&scores);
    for (int64_t r = 0; r < n_rows; r++) {
        for (int i = 0; i < s->n_biases; i++)
            add_bias(j, i, h->scores + r * s->n_k, h, query + r);
        if (s->n_k > 0)
            j->kernels->softmax_f32(h->scores + r * s->n_k, h->scores + r * s->n_k, s->n_k);
    }
    j->kernels->sgemm_packed(&sums);
}

static void attention_item(const struct attention_job *j, int64_t item, float *scratch)
{
    const struct dsc_attention_spec *s = j->s;
    const int64_t first = item % j->n_blocks * QUERIES, which = item / j->n_blocks;
    const int64_t end = first + QUERIES < s->n_q ? first + QUERIES : s->n_q;
    const int64_t n_keys = (s->n_k + 15) / 16 * 16;
    struct head h = {.batch = which / s->n_heads, .head = which % s->n_heads, .scores = scratch};
    float *keys = scratch + DSC_ATTENTION_ROWS * s->n_k;

    h.keys = keys;
    dsc_sgemm_pack(keys, j->k + (h.batch * s->n_k * s->n_heads + h.head) * s->d, s->d, s->n_k, 1,
                   s->n_heads * s->d);
    h.values = keys + n_keys * s->d;
    dsc_sgemm_pack(keys + n_keys * s->d, j->v + (h.batch * s->n_k * s->n_heads + h.head) * s->d_v,
                   s->n_k, s->d_v, s->n_heads * s->d_v, 1);
    for (int64_t i = first; i < end; i += DSC_ATTENTION_ROWS)
        some_queries(j, &h, i, end - i < DSC_ATTENTION_ROWS ? end - i : DSC_ATTENTION_ROWS);
}

static void attention_task(void *ctx, int64_t task)
{
    const struct attention_job *j = ctx;
    float *scratch = j->scratch + task * dsc_attention_task_elems(j->s);

    for (int64_t item = task; item < j->n_items; item += j->n_tasks)
        attention_item(j, item, scratch);
}

enum dsc_status dsc_cpu_attention(struct dsc_device *d, const struct dsc_attention_spec *spec,
                                  const struct dsc_tensor *y, const struct dsc_tensor *q,
                                  const struct dsc_tensor *k, const struct dsc_tensor *v,
                                  const struct dsc_tensor *scratch, struct dsc_err *e)
{
    struct attention_job j = {.kernels = d->kernels,
                              .s = spec,
                              .y = y->data,
                              .scratch = scratch->data,
                              .q = q->data,
                              .k = k->data,
                              .v = v->data,
                              .n_blocks = (spec->n_q + QUERIES - 1) / QUERIES};
    const int64_t task_elems = dsc_attention_task_elems(spec);

    if (q->dtype != DSC_F32)
        return dsc_cpu_no_dtype("attention", q, e);
    j.n_items = spec->n_batch * spec->n_heads * j.n_blocks;
    if (dsc_tensor_n_elems(y) == 0 || j.n_items == 0)
        return DSC_OK;
    j.n_tasks = task_elems ? dsc_tensor_n_elems(scratch) / task_elems : 1;
    j.n_tasks = j.n_tasks > j.n_items ? j.n_items : j.n_tasks;
    if (j.n_tasks < 1)
        return dsc_fail(e, DSC_E_INTERNAL, "attention without scratch");
    dsc_parallel_for(d->pool, j.n_tasks, attention_task, &j);
    return DSC_OK;
}
