/*
 * The encoder: embeddings, and layers of attention and feed-forward, normalised behind each
 * residual sum. Hidden states are rows, [batch * sequence, hidden], but inside attention.
 *
 * Source  Devlin et al. 2018, arXiv:1810.04805; Song et al. 2020, arXiv:2004.09297 (MPNet's
 *         position bias), whose buckets are those of Raffel et al. 2019, arXiv:1910.10683
 */
#include "model/hf.h"

#include <math.h>
#include <string.h>

/* Added to the scores of padding. Far below any score, and inside fp16. */
static const double MASK_BIAS = -10000.0;

/* The first `sequence` entries of a constant along `axis`. */
static int take_first(struct hf_build *b, int table, int axis, const char *name)
{
    const int zero = hf_i64s(b, hf_name(b, "%s.start", name), 1, 1, (int64_t[]){0});
    const int ax = hf_i64s(b, hf_name(b, "%s.axis", name), 1, 1, (int64_t[]){axis});
    const int one = hf_i64s(b, hf_name(b, "%s.which", name), 1, 1, (int64_t[]){1});
    const int n =
        hf_call(b, "Gather", hf_name(b, "%s.length", name), 2, (int[]){b->shape, one}, NULL);

    return hf_call(b, "Slice", name, 4, (int[]){table, zero, n, ax}, NULL);
}

/* 0, 1, 2 .. */
static int positions_by_index(struct hf_build *b)
{
    const int64_t n = b->c->n_positions;
    struct dsc_tensor t = {0};
    int id = DSC_NO_VALUE;

    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    b->st = dsc_tensor_new(&t, DSC_I64, 1, &n, b->err);
    if (b->st == DSC_OK) {
        for (int64_t i = 0; i < n; i++)
            ((int64_t *)t.data)[i] = i;
        b->st = dsc_graph_init(b->g, "embeddings.position_ids", &t, &id, b->err);
    }
    dsc_tensor_clear(&t);
    return take_first(b, id, 0, "embeddings.positions");
}

/* Tokens count from pad + 1, padding stays at pad, wherever it stands. */
static int positions_from_pad(struct hf_build *b)
{
    const int pad = hf_i64s(b, "embeddings.pad_id", 0, 0, &b->c->pad);
    const int axis = hf_i64s(b, "embeddings.sequence_axis", 0, 0, (int64_t[]){1});
    const int one = hf_i64s(b, "embeddings.one", 0, 0, (int64_t[]){1});
    const int is_pad = hf_call(b, "Equal", "embeddings.is_padding", 2, (int[]){b->ids, pad}, NULL);
    const int pads =
        hf_call_int(b, "Cast", "embeddings.padding", 1, &is_pad, "to", dsc_dtype_onnx(DSC_I64));
    const int tokens = hf_call(b, "Sub", "embeddings.tokens", 2, (int[]){one, pads}, NULL);
    const int counts = hf_call(b, "CumSum", "embeddings.counts", 2, (int[]){tokens, axis}, NULL);
    const int at = hf_call(b, "Mul", "embeddings.places", 2, (int[]){counts, tokens}, NULL);

    return hf_call(b, "Add", "embeddings.positions", 2, (int[]){at, pad}, NULL);
}

static int look_up(struct hf_build *b, const char *name, int64_t rows, int ids)
{
    const int table = hf_param(b, name, "weight", 2, (int64_t[]){rows, b->c->embedding});

    return hf_call(b, "Gather", name, 2, (int[]){table, ids}, NULL);
}

static int type_ids(struct hf_build *b)
{
    /* Families without the input use row 0 for every token. */
    return b->types != DSC_NO_VALUE ? b->types
                                    : hf_i64s(b, "embeddings.token_type_ids", 1, 1, (int64_t[]){0});
}

static int embeddings(struct hf_build *b)
{
    const struct hf_config *c = b->c;
    int x = look_up(b, "embeddings.word_embeddings", c->vocab, b->ids);
    int flat, at;

    if (c->family->has_types) {
        const int t = look_up(b, "embeddings.token_type_embeddings", c->n_types, type_ids(b));

        x = hf_call(b, "Add", "embeddings.add_types", 2, (int[]){x, t}, NULL);
    }
    at = c->family->positions == HF_POS_INDEX ? positions_by_index(b) : positions_from_pad(b);
    at = look_up(b, "embeddings.position_embeddings", c->n_positions, at);
    x = hf_call(b, "Add", "embeddings.add_positions", 2, (int[]){x, at}, NULL);
    flat = hf_i64s(b, "embeddings.flat_shape", 1, 2, (int64_t[]){-1, c->embedding});
    x = hf_call(b, "Reshape", "embeddings.flat", 2, (int[]){x, flat}, NULL);
    x = hf_norm(b, x, "embeddings.LayerNorm", c->embedding);
    x = hf_dropout(b, x, "embeddings.dropout", b->dropout);
    if (c->family->has_projection && c->embedding != c->hidden)
        x = hf_linear(b, x, "embeddings_project", c->embedding, c->hidden);
    return x;
}

/* [batch, 1, 1, sequence]: 0 for tokens, MASK_BIAS for padding. */
static int mask_bias(struct hf_build *b)
{
    const int axes = hf_i64s(b, "mask.axes", 1, 2, (int64_t[]){1, 2});
    const int one = hf_f32(b, "mask.one", 1), far = hf_f32(b, "mask.padding", MASK_BIAS);
    const int m = hf_call_int(b, "Cast", "mask.float", 1, &b->mask, "to", dsc_dtype_onnx(DSC_F32));
    const int m4 = hf_call(b, "Unsqueeze", "mask.unsqueeze", 2, (int[]){m, axes}, NULL);
    const int inverse = hf_call(b, "Sub", "mask.inverse", 2, (int[]){one, m4}, NULL);

    return hf_call(b, "Mul", "mask.scaled", 2, (int[]){inverse, far}, NULL);
}

/* The bucket of key minus query: half of them for keys behind, the near ones exact, then
 * logarithmic. In float, as the original, because the limits of buckets depend on rounding. */
static int64_t bucket_of(int64_t distance)
{
    const int half = HF_BUCKETS / 2, n_exact = half / 2;
    const int64_t base = distance > 0 ? half : 0, n = distance < 0 ? -distance : distance;
    const float wide = (float)log((double)HF_BUCKET_DISTANCE / n_exact);
    int64_t k = n;

    if (n >= n_exact) {
        k = n_exact + (int64_t)(logf((float)n / (float)n_exact) / wide * (float)(half - n_exact));
        k = k < half - 1 ? k : half - 1;
    }
    return base + k;
}

/* [heads, sequence, sequence], the same for every layer. */
static int position_bias(struct hf_build *b)
{
    const int64_t n = b->c->n_positions, dim[2] = {n, n};
    struct dsc_tensor t = {0};
    struct dsc_node *node = NULL;
    int id = DSC_NO_VALUE, x, table;

    if (b->st != DSC_OK)
        return DSC_NO_VALUE;
    b->st = dsc_tensor_new(&t, DSC_I64, 2, dim, b->err);
    if (b->st == DSC_OK) {
        for (int64_t q = 0; q < n; q++)
            for (int64_t k = 0; k < n; k++)
                ((int64_t *)t.data)[q * n + k] = bucket_of(k - q);
        b->st = dsc_graph_init(b->g, "encoder.relative_buckets", &t, &id, b->err);
    }
    dsc_tensor_clear(&t);
    x = take_first(b, id, 0, "encoder.relative_queries");
    x = take_first(b, x, 1, "encoder.relative_keys");
    table = hf_param(b, "encoder.relative_attention_bias", "weight", 2,
                     (int64_t[]){HF_BUCKETS, b->c->n_heads});
    x = hf_call(b, "Gather", "encoder.relative_attention_bias", 2, (int[]){table, x}, NULL);
    x = hf_call(b, "Transpose", "encoder.position_bias", 1, &x, &node);
    if (b->st == DSC_OK)
        b->st = dsc_node_set_ints(b->g, node, "perm", (int64_t[]){2, 0, 1}, 3, b->err);
    return x;
}

static int transpose(struct hf_build *b, int x, const char *name, const int64_t perm[4])
{
    struct dsc_node *node = NULL;
    const int out = hf_call(b, "Transpose", name, 1, &x, &node);

    if (b->st == DSC_OK)
        b->st = dsc_node_set_ints(b->g, node, "perm", perm, 4, b->err);
    return out;
}

/* [N, hidden] to [batch, heads, sequence, size of a head], axes by perm. */
static int split_heads(struct hf_build *b, int x, const char *name, const int64_t perm[4])
{
    const int r =
        hf_call(b, "Reshape", hf_name(b, "%s.split", name), 2, (int[]){x, b->heads_shape}, NULL);

    hf_by_sequence(b, r, b->c->n_heads, b->c->hidden / b->c->n_heads);
    return transpose(b, r, hf_name(b, "%s.heads", name), perm);
}

static int attention(struct hf_build *b, int x, const char *layer)
{
    static const int64_t by_head[4] = {0, 2, 1, 3}, keys_last[4] = {0, 2, 3, 1};
    const struct hf_layer_names *n = b->c->family->names;
    const int64_t d = b->c->hidden;
    const char *q_name = hf_name(b, "%s.%s", layer, n->query);
    const char *k_name = hf_name(b, "%s.%s", layer, n->key);
    const char *v_name = hf_name(b, "%s.%s", layer, n->value);
    const char *name = hf_name(b, "%s.attention", layer);
    const int q = split_heads(b, hf_linear(b, x, q_name, d, d), q_name, by_head);
    const int k = split_heads(b, hf_linear(b, x, k_name, d, d), k_name, keys_last);
    const int v = split_heads(b, hf_linear(b, x, v_name, d, d), v_name, by_head);
    int s = hf_call(b, "MatMul", hf_name(b, "%s.scores", name), 2, (int[]){q, k}, NULL);

    s = hf_call(b, "Mul", hf_name(b, "%s.scale", name), 2, (int[]){s, b->scale}, NULL);
    if (b->c->family->has_bias_table)
        s = hf_call(b, "Add", hf_name(b, "%s.add_position_bias", name), 2,
                    (int[]){s, b->position_bias}, NULL);
    s = hf_call(b, "Add", hf_name(b, "%s.add_mask", name), 2, (int[]){s, b->mask_bias}, NULL);
    s = hf_call_int(b, "Softmax", hf_name(b, "%s.probs", name), 1, &s, "axis", -1);
    s = hf_dropout(b, s, hf_name(b, "%s.probs_dropout", name), b->attn_dropout);
    s = hf_call(b, "MatMul", hf_name(b, "%s.context", name), 2, (int[]){s, v}, NULL);
    s = transpose(b, s, hf_name(b, "%s.merge", name), by_head);
    s = hf_call(b, "Reshape", hf_name(b, "%s.flat", name), 2, (int[]){s, b->flat_shape}, NULL);
    return hf_linear(b, s, hf_name(b, "%s.%s", layer, n->attn_out), d, d);
}

/* norm(x + dropout(y)), or norm(x + y) */
static int residual(struct hf_build *b, int x, int y, bool is_plain, const char *where,
                    const char *norm)
{
    if (!is_plain)
        y = hf_dropout(b, y, hf_name(b, "%s.dropout", where), b->dropout);
    y = hf_call(b, "Add", hf_name(b, "%s.residual", where), 2, (int[]){y, x}, NULL);
    return hf_norm(b, y, norm, b->c->hidden);
}

static int layer(struct hf_build *b, int x, int64_t i)
{
    const struct hf_config *c = b->c;
    const struct hf_layer_names *n = c->family->names;
    const char *name = hf_name(b, "%s.%d", n->layer, (int)i);
    const char *inner = hf_name(b, "%s.%s", name, n->inner);
    int y = attention(b, x, name);

    x = residual(b, x, y, c->family->is_attn_sum_plain, hf_name(b, "%s.%s", name, n->attn_out),
                 hf_name(b, "%s.%s", name, n->attn_norm));
    y = hf_linear(b, x, inner, c->hidden, c->inner);
    y = hf_activation(b, y, hf_name(b, "%s.act", inner), c->act);
    y = hf_linear(b, y, hf_name(b, "%s.%s", name, n->out), c->inner, c->hidden);
    return residual(b, x, y, false, hf_name(b, "%s.%s", name, n->out),
                    hf_name(b, "%s.%s", name, n->out_norm));
}

int hf_encoder(struct hf_build *b)
{
    const struct hf_config *c = b->c;
    const int64_t head = c->hidden / c->n_heads;
    int sizes, x;

    b->shape = hf_call(b, "Shape", "input_shape", 1, &b->ids, NULL);
    sizes = hf_i64s(b, "heads.sizes", 1, 2, (int64_t[]){c->n_heads, head});
    b->heads_shape =
        hf_call_int(b, "Concat", "heads.shape", 2, (int[]){b->shape, sizes}, "axis", 0);
    b->flat_shape = hf_i64s(b, "hidden.flat_shape", 1, 2, (int64_t[]){-1, c->hidden});
    b->dropout = hf_f32(b, "hidden.dropout_ratio", c->dropout);
    b->attn_dropout = hf_f32(b, "attention.dropout_ratio", c->attn_dropout);
    b->scale = hf_f32(b, "attention.scale", 1 / sqrt((double)head));
    x = embeddings(b);
    b->mask_bias = mask_bias(b);
    if (c->family->has_bias_table)
        b->position_bias = position_bias(b);
    for (int64_t i = 0; i < c->n_layers; i++)
        x = layer(b, x, i);
    return x;
}
