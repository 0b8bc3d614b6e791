# What is there stays, byte for byte, in every verb that writes
. "$SOURCE/tests/cli/tiny.sh"
train base.onnx > /dev/null || exit
dscompress calibrate base.onnx --data "$messages" --limit 20 -o a.ranges > /dev/null || exit
echo old > old.onnx; echo old > old.npz; echo old > old.ranges; echo old > old.safetensors
echo old > old.jsonl; echo old > old.xml; mkdir old; echo old > old/output_0.pb
try() {
    dscompress "$@" -q > /dev/null 2> err
    code=$?
    [ $code -eq 73 ] && grep -q '\[EXISTS\]$' err || { echo "$*: exit status $code"; cat err; }
}
try train "$encoder" --train "$messages" --positive spam --epochs 1 --max-length 8 -o old.onnx
try quantize base.onnx --calib "$messages" -o old.onnx
try quantize base.onnx --method dynamic -o old.onnx
try export base.onnx -o old.onnx
try export base.onnx --target safetensors -o old.safetensors
try run "$encoder" --inputs "$encoder.short.in.npz" -o old.npz
try run "$encoder" --inputs "$encoder.short.in.npz" -o old/
try run "$encoder" --inputs "$encoder.short.in.npz" -o base.onnx/
try calibrate base.onnx --data "$messages" --limit 20 -o old.ranges
try calibrate --merge a.ranges a.ranges -o old.ranges
try eval base.onnx --data "$messages" --predictions old.jsonl
try gate base.onnx --baseline base.onnx --data "$messages" --max-drop f1=1 --junit old.xml
rm err
cat old.* old/* | sort | uniq -c | tr -s ' '
ls -A old
