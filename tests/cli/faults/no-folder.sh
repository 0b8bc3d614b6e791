# -o in a folder that is not there, or that is a file: exit 73 from every verb, nothing made
. "$SOURCE/tests/cli/tiny.sh"
train base.onnx > /dev/null || exit
dscompress calibrate base.onnx --data "$messages" --limit 20 -o a.ranges > /dev/null || exit
try() {
    for place in missing/out base.onnx/out; do
        dscompress "$@" -q -o "$place$ending" > out 2> err
        [ $? -eq 73 ] && grep -q '\[EXISTS\]$' err && [ "$(wc -l < err)" -eq 1 ] || { echo "$@:"; cat err; }
    done
}
ending=.onnx
try train "$encoder" --train "$messages" --positive spam --epochs 1 --max-length 8
try quantize base.onnx --calib "$messages"
try quantize base.onnx --method dynamic
try quantize base.onnx --method qat --train "$messages" --epochs 1
try export base.onnx
ending=.npz
try run "$encoder" --inputs "$encoder.short.in.npz"
ending=/
try run "$encoder" --inputs "$encoder.short.in.npz"
ending=.ranges
try calibrate base.onnx --data "$messages" --limit 20
try calibrate --merge a.ranges a.ranges
ending=.safetensors
try export base.onnx --target safetensors
rm -f out err
ls -A
