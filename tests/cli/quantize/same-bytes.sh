# files, reports and standard output are the same with one and three threads, and a second time; with
# two, too (make torture)
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
# name, then the command with OUT for its folder; all that it writes and prints is hashed
same() {
    name=$1
    shift
    for run in "a -j 1" "b -j 3" "c -j 1"; do
        mkdir out
        dscompress "$@" -q ${run#? } > out/stdout || exit 99
        sed -i "/ examples, /d" out/stdout # a time
        (cd out && cat ./*) | sha256sum >> "$name.sums"
        ls out | wc -l >> "$name.files"
        rm -r keep 2> /dev/null
        mv out keep
    done
    echo "$name: $(sort -u "$name.files") files, $(sort -u "$name.sums" | wc -l) sum"
    rm -rf keep."$name"
    mv keep keep."$name"
}
w4="quantize m.onnx --method weight-only --scheme w4 --granularity group:16 --calib $messages -o out/q.onnx --json=out/q.json"
same gptq $w4
same gptq-ort $w4 --target ort
same gptq-w8 quantize m.onnx --method weight-only --calib "$messages" -o out/q.onnx
same awq $w4 --rounding awq --embeddings w4
same nearest quantize m.onnx --method weight-only --scheme w4 -o out/q.onnx --json=out/q.json
same smooth-auto quantize m.onnx --calib "$messages" --smooth auto --bias-correction on -o out/q.onnx --json=out/q.json
same w4a8 quantize m.onnx --scheme w4a8 --calib "$messages" -o out/q.onnx --json=out/q.json
same chosen quantize m.onnx --calib "$messages" -o out/q.onnx --json=out/q.json
same sensitivity quantize m.onnx --calib "$messages" --calib-rows 100 --sensitivity=out/t.json --json=out/q.json
coarse="--smooth 0 --bias-correction off --granularity tensor --observer percentile:55"
same allocated quantize m.onnx --calib "$messages" $coarse --sensitivity=out/t.json --target-size 90% \
    --max-drop log-loss=0.05 --save-plan out/p.json -o out/q.onnx --json=out/q.json
cp keep.allocated/p.json keep.allocated/q.onnx .
same plan quantize m.onnx --calib "$messages" $coarse --plan p.json -o out/q.onnx --json=out/q.json
same diagnose diagnose m.onnx q.onnx --data "$messages" --find-excludes --max-drop log-loss=0.001 --json=out/d.json
same diagnose-w4 diagnose m.onnx keep.gptq-ort/q.onnx --data "$messages" --json=out/d.json
same eval eval q.onnx --data "$messages" --predictions out/p.jsonl --confusion
same eval-w4 eval keep.gptq-ort/q.onnx --data "$messages" --predictions out/p.jsonl
