# an option that a method does nothing with is refused, whatever part of the program reads it
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress calibrate m.onnx --data "$messages" -q -o m.ranges > /dev/null || exit 99
refused() {
    dscompress quantize m.onnx -q -f -n -o q.onnx "$@" > /dev/null 2> err
    [ $? -eq 64 ] && grep -q '\[USAGE\]' err || { echo "taken: $*"; cat err; }
}
n=0
while read -r words; do
    refused $words
    n=$((n + 1))
done <<END
--method dynamic --observer minmax
--method dynamic --symmetric activations
--method dynamic --batch 4
--method dynamic --pad-to 8
--method dynamic --calib $messages
--method dynamic --smooth 0.5
--method dynamic --smooth auto
--method dynamic --bias-correction on
--method dynamic --ranges m.ranges
--method dynamic --rounding nearest
--method dynamic --embeddings w8
--method dynamic --scheme w4
--method dynamic --sensitivity
--method dynamic --plan p.json
--method dynamic --seed 1
--method weight-only --observer minmax
--method weight-only --reduce-range
--method weight-only --symmetric activations
--method weight-only --batch 4
--method weight-only --pad-to 8
--method weight-only --calib-rows 9
--method weight-only --columns text=text
--method weight-only --smooth 0.5
--method weight-only --smooth auto
--method weight-only --bias-correction on
--method weight-only --target-size 50%
--method weight-only --epochs 2
--method qat --train $messages --calib $messages
--method qat --train $messages --smooth 0.5
--method qat --train $messages --smooth auto
--method qat --train $messages --bias-correction on
--method qat --train $messages --ranges m.ranges
--method qat --train $messages --calib-rows 9
--method qat --train $messages --reduce-range
--method qat --train $messages --freeze-observers 0
--method qat --train $messages --metric accuracy
--ranges m.ranges --batch 4
--ranges m.ranges --pad-to 8
--ranges m.ranges --smooth 0.5
--ranges m.ranges --smooth auto
--ranges m.ranges --bias-correction on
--ranges m.ranges --calib-rows 9
--ranges m.ranges --calib $messages --rounding nearest --calib-rows 9
--ranges m.ranges --rounding gptq
--calib $messages --rounding awq
--calib $messages --rounding gptq --reduce-range
--calib $messages --rounding gptq --granularity tensor
--method qat --train $messages --rounding gptq
--calib $messages --target-size 80% --embeddings w4
--calib $messages --freeze-observers 3
--calib $messages --train $messages
--calib $messages --eval $messages
--calib $messages --save-plan p.json
--calib $messages --seed 1
--calib $messages --rounding-steps 9
--method weight-only --calib $messages --rounding-steps 9
--calib $messages --state s
END
echo "$n combinations"
[ -e q.onnx ] && echo "an output was left behind"
true
