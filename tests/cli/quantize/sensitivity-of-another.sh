# a report is used again only for the same model, data and options; -f measures anew
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
train n.onnx --seed 7 > /dev/null || exit 99
head -n 101 "$messages" > some.tsv
(head -n 1 "$messages"; sed -n '3,102p' "$messages") > other.tsv
try() {
    model=$1
    shift
    dscompress quantize $model.onnx -q --calib some.tsv --sensitivity=t.json "$@" > out 2> err
    echo $? $(grep -c 'the report is of another model, other data or options \[INCONSISTENT\]' err)
}
try m --eval some.tsv
cp t.json first.json
try m --eval some.tsv
try n --eval some.tsv
try m --eval other.tsv
try m --eval some.tsv --calib-rows 50
try m --eval some.tsv --observer percentile:99
try m --eval some.tsv --symmetric activations
try m --eval some.tsv --max-length 16
cmp t.json first.json && echo kept
try n --eval some.tsv -f
cmp -s t.json first.json || echo measured anew
