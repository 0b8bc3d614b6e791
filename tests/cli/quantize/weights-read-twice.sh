# a weight that products and lookups read in several ways; channels of several sizes; none at all
. "$SOURCE/tests/cli/tiny.sh"
tokenizer="--tokenizer $MODELS/hf/sentence-mean/tokenizer.json"
labels() {
    dscompress eval "$1" $2 --data "$messages" --metric accuracy -j 1 -q -f --predictions p.jsonl > out || exit 99
    sed 's/.*"prediction":\([0-9]*\).*/\1/' p.jsonl
}
for model in both-ways both-ways-square table-product tied-head uneven-channels empty-product; do
    labels "$MODELS/quant/$model.onnx" "$tokenizer" > want
    for options in "--method dynamic" "--calib $messages" \
        "--method weight-only --scheme w4 --calib $messages" \
        "--method weight-only --calib $messages --rounding awq"; do
        dscompress quantize "$MODELS/quant/$model.onnx" $tokenizer $options -j 1 -q -f -o q.onnx > out || exit
        labels q.onnx > got
        paste want got | awk -v what="$model $options" '$1 != $2 { n++ }
            END { if (n > NR / 10) print what ": " n " of " NR " labels differ"; else print "same labels" }'
    done
done | sort | uniq -c | sed 's/^ *//'
