/* train: fine-tune a model on labelled rows. */
#include "finetune.h"

const struct dsc_command dsc_command_train = {
    .name = "train",
    .args = "MODEL",
    .summary = "fine-tune a model on labelled data",
    .about =
        "Trains all weights that the model's operators call parameters, by AdamW with a "
        "linear schedule. A model without a head gets one: pooled token vectors, dropout "
        "0.1, a linear layer. The labels of the data become the model's.\n\n"
        "Files made for inference hold no dropout, so none is used unless --dropout says its "
        "rate. It is put where BERT has it, found by the graph's structure: after the "
        "LayerNorm of the embeddings, on attention probabilities, before residual sums, "
        "before the classifier; the counts are logged, and a graph with no such place is "
        "refused. This is BERT's recipe, also for families with another one (DistilBERT has "
        "none behind attention). A Hugging Face folder has its places and the rates of "
        "config.json; --dropout sets all of these. The file that is written has no dropout "
        "but that of a new head.\n\n"
        "A quantized model is trained with its rounding simulated (LSQ): its dequantized "
        "weights are where training starts, and the output is quantized the same way.\n\n"
        "--dry-run reads all data, takes one step on the first batch, and tells weights, steps, "
        "rows and time (with --json also the names of the weights); nothing is written, and "
        "--state is not opened.\n\n"
        "A model with one output learns values by their squared error, or two classes by binary "
        "cross "
        "entropy: its output is then the logit of the second.\n\n"
        "MODEL may be new:lstm,hidden=64,layers=1,embedding=8 (or gru, rnn): a classifier of the "
        "sequences in a table. --features says which columns it reads: numbers, their logarithms "
        "(log: sign(x) log(1 + |x|)), times (seconds since the row before, time of day) and "
        "categories (embedded; a value that training did not see is 0). --sequence says what makes "
        "a sequence: a row and up to N - 1 rows before it that have the same key, in the order of "
        "a time column. Mean and deviation of the training rows are part of the graph, the "
        "columns are in its metadata: later verbs read the same table. --split of a table is by "
        "that order, "
        "the first rows are for training.\n\n"
        "The same command with the same seed writes the same bytes, for any number of "
        "threads.",
    .examples =
        "dscompress train minilm/ --train sms.tsv --eval sms.tsv --split 70/10/20 --positive spam "
        "-o sms.onnx\n"
        "dscompress train mlp.onnx --train rows.npz --lr 1e-3 -o tuned.onnx\n"
        "dscompress train new:lstm,hidden=32 --train cards.csv --columns label=fraud "
        "--features amount=log,place=category,when=time --sequence key=card,order=when,steps=16 "
        "--positive yes --lr 3e-3 -o fraud.onnx",
    .needs = "train,output",
    .n_args_min = 1,
    .n_args_max = 1,
    .opens_new = true,
    .run = dsc_finetune_run,
};
