/* What stands on an encoder: its pooler, or a classifier; and the outputs. */
#include "model/hf.h"

#include <string.h>

static void output(struct hf_build *b, int value)
{
    if (b->st == DSC_OK)
        b->st = dsc_graph_output(b->g, value, b->err);
}

/* The classifier's last step: the graph's output. */
static int to_logits(struct hf_build *b, int x, const char *name)
{
    b->out_name = "logits";
    return hf_linear(b, x, name, b->c->hidden, b->c->n_labels);
}

/* [batch, sequence, hidden] */
static int by_sequence(struct hf_build *b, int hidden, const char *out_name)
{
    const int n = hf_i64s(b, "hidden.size", 1, 1, &b->c->hidden);
    const int shape = hf_call_int(b, "Concat", "hidden.shape", 2, (int[]){b->shape, n}, "axis", 0);

    int x;

    b->out_name = out_name;
    x = hf_call(b, "Reshape", "hidden.by_sequence", 2, (int[]){hidden, shape}, NULL);
    hf_by_sequence(b, x, b->c->hidden, 0);
    return x;
}

/* The first token's row of each text: [batch, hidden]. */
static int first_token(struct hf_build *b, int x)
{
    const int zero = hf_i64s(b, "first_token.index", 0, 0, (int64_t[]){0});

    return hf_call_int(b, "Gather", "first_token", 2, (int[]){x, zero}, "axis", 1);
}

static int pooler(struct hf_build *b, int first, const char *out_name)
{
    const int x = hf_linear(b, first, "pooler.dense", b->c->hidden, b->c->hidden);

    b->out_name = out_name;
    return hf_call(b, "Tanh", "pooler.activation", 1, &x, NULL);
}

static int classifier(struct hf_build *b, int x)
{
    const int64_t d = b->c->hidden;

    b->head_dropout = hf_f32(b, "classifier.dropout_ratio", b->c->head_dropout);
    switch (b->c->family->head) {
    case HF_HEAD_POOLER:
        x = hf_dropout(b, pooler(b, x, NULL), "classifier.dropout", b->head_dropout);
        return to_logits(b, x, "classifier");
    case HF_HEAD_PRE_RELU:
        x = hf_linear(b, x, "pre_classifier", d, d);
        x = hf_call(b, "Relu", "pre_classifier.act", 1, &x, NULL);
        x = hf_dropout(b, x, "classifier.dropout", b->head_dropout);
        return to_logits(b, x, "classifier");
    case HF_HEAD_DENSE_TANH:
    case HF_HEAD_DENSE_GELU:
        x = hf_dropout(b, x, "classifier.dropout_in", b->head_dropout);
        x = hf_linear(b, x, "classifier.dense", d, d);
        x = hf_call(b, b->c->family->head == HF_HEAD_DENSE_GELU ? "Gelu" : "Tanh", "classifier.act",
                    1, &x, NULL);
        x = hf_dropout(b, x, "classifier.dropout", b->head_dropout);
        return to_logits(b, x, "classifier.out_proj");
    }
    return DSC_NO_VALUE;
}

static bool has_pooler(const struct hf_build *b)
{
    return b->c->family->has_pooler && (dsc_bundle_find(&b->w->tensors, "pooler.dense.weight") ||
                                        dsc_bundle_find(&b->w->tensors, "pooler.dense.bias"));
}

void hf_outputs(struct hf_build *b, int hidden)
{
    int x;

    if (b->c->is_classifier) {
        x = by_sequence(b, hidden, NULL);
        output(b, classifier(b, first_token(b, x)));
        return;
    }
    x = by_sequence(b, hidden, "last_hidden_state");
    output(b, x);
    if (has_pooler(b))
        output(b, pooler(b, first_token(b, x), "pooler_output"));
}
