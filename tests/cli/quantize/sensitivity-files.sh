# a report is of the bytes of its data, wherever they are; places are looked at before work starts
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
cp "$messages" a.tsv
cp "$messages" b.tsv
cp "$messages" eval.tsv
quantize() {
    dscompress quantize m.onnx --eval eval.tsv -j 1 "$@" > out 2> err
    echo "$? $(grep -o 'layers were measured before\|another model, other data or options\|the output exists' err)"
}
quantize --calib a.tsv --sensitivity=t.json -q
quantize --calib b.tsv --sensitivity=t.json
sed -i '2s/.*/other\tham/' b.tsv
quantize --calib b.tsv --sensitivity=t.json
quantize --calib b.tsv --sensitivity=t.json -f -q
echo '{}' > plan.json
quantize --calib b.tsv --target-size 80% --save-plan plan.json
grep -c calibrate err
quantize --calib b.tsv --target-size 80% --save-plan plan.json -f -q
grep -c w8a8 plan.json
