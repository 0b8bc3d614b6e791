# Read by scripts: a tiny encoder, invented messages, and a model trained on them in a moment.
encoder=$MODELS/hf/sentence-mean
messages=$SOURCE/examples/sms-fraud/small/messages.tsv

# OUT, then more options
train() {
    out=$1
    shift
    dscompress train "$encoder" --train "$messages" --split 70/10/20 --positive spam --epochs 2 \
        --max-length 32 --lr 3e-3 --micro 32 -q -o "$out" "$@"
}
