# Read by scripts after tiny.sh: a model with three classes as PyTorch initializes it, a vocabulary
# of letters, and rows for them.
{
    printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n'
    for c in a b c d e f g h i j k l m n o p q r s t u v w x y z; do printf '%s\n##%s\n' $c $c; done
} > letters.txt
printf 'text\tlabel\nabc\tred\nxyz\tgreen\nmno\tblue\ncba\tred\nzyx\tgreen\nonm\tblue\n' > colours.tsv

# EXPORTER OUT, then more options
fresh() {
    model=$MODELS/torch/fresh_bert_$1.onnx
    out=$2
    shift 2
    dscompress train "$model" --tokenizer letters.txt --train colours.tsv --max-length 12 --batch 3 \
        -o "$out" "$@"
}
