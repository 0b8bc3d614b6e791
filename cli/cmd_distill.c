/* distill: train a student to give what a teacher gives. The run is train's. */
#include "finetune.h"

const struct dsc_command dsc_command_distill = {
    .name = "distill",
    .args = "[STUDENT]",
    .summary = "train a small model to give what a large one gives",
    .about =
        "Trains STUDENT as train does, on L = alpha T^2 KL(teacher / T || student / T) + (1 - "
        "alpha) CE (Hinton et al. 2015): --alpha 1 leaves the labels out. Where values are "
        "learned, both parts are squared errors, and T has no part in them. --alpha and "
        "--temperature may change while training runs: 8:1 is 8 in the first step, 1 in the "
        "last and on a straight line between; further numbers are points at even distances "
        "(1:1:0).\n\n"
        "--student-spec layers=4,hidden=312,heads=12,head-size=26,ffn=1200 makes the student of "
        "the (first) teacher: layers at even distances, the last one among them; in each the "
        "heads, the channels of each head and the neurons, and of the width all layers share the "
        "part, whose weights have the largest norm; with vocab=N the tokens that the training "
        "rows use most, with what the tokenizer needs beside; with embedding=N an embedding of "
        "two factors of the least squared error. What is not named stays: without head-size a "
        "head keeps its size. --init random draws all weights anew.\n\n"
        "--unlabeled DATA adds rows that only the teacher says something of: their CE counts as "
        "0, and the mean is over all rows. With --split its training part is used. --augment 4 "
        "makes such rows of those of --train: in each copy two of five words (--augment-rate) "
        "become one of the 15 nearest tokens in the embedding of the student. Of several "
        "--teacher the mean of what they say is learned, weighted by --teacher-weights.\n\n"
        "--term KIND adds what happens inside the teacher, W times (--term hidden,weight=0.5): "
        "hidden, the states behind layers (loss=mse, cosine); embedding; attention, the maps "
        "(loss=mse, kl); pkd, normalized first tokens (Sun et al. 2019); relation, maps and "
        "value relations of the last layer (MiniLM, Wang et al. 2020); relation2, relations of "
        "queries, keys and values cut into heads=N, up to 48 (MiniLMv2); rkd, distances and "
        "angles of a batch's features (loss=distance, angle; Park et al. 2019); crd, contrast "
        "within a batch (tau=0.07; Tian et al. 2020). Layers are found by structure; map= says "
        "which learn from which: uniform, last, first, top, or pairs as 2:4/4:12, 0 being the "
        "embeddings. Where widths differ a map is learned beside, and not written. Terms on "
        "tokens see the rows that both models cut alike. The weight may change: weight=1:0. "
        "With a term the first teacher stays in memory and runs on every batch, with a cache, "
        "too.\n\n"
        "The teacher runs once over the training rows, before the first step; what it says of "
        "them is kept (4 bytes an output), and the teacher is not in memory while the student "
        "learns. It may have another tokenizer, another architecture, or be quantized; its "
        "classes must be the student's, and a student without any takes the teacher's. "
        "--teacher-cache FILE keeps its outputs for further runs: the same losses, to the bit. "
        "A cache of another teacher, of other data or other options of them is refused; -f "
        "replaces it.\n\n"
        "All options of train mean the same here. The same command with the same seed writes "
        "the same bytes, for any number of threads.",
    .examples =
        "dscompress distill minilm/ --teacher sms.onnx --train sms.tsv --eval sms.tsv --split "
        "70/10/20 -o small.onnx\n"
        "dscompress distill minilm/ --teacher sms.onnx --train sms.tsv --unlabeled texts.tsv "
        "--alpha 1:0.5 -o more.onnx\n"
        "dscompress distill minilm/ --teacher sms.onnx --train sms.tsv --term hidden,weight=0.5 "
        "--term relation2 -o like.onnx\n"
        "dscompress distill --student-spec layers=1,ffn=32 --teacher sms.onnx --train sms.tsv -o "
        "short.onnx\n"
        "dscompress distill mlp.onnx --teacher tuned.onnx --train rows.npz --alpha 1 -o "
        "student.onnx",
    .needs = "teacher,train,output",
    .n_args_min = 0,
    .n_args_max = 1,
    .run = dsc_finetune_run,
};
