# ranges are all that static quantization needs
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress calibrate m.onnx -q --data "$messages" -o r.ranges > /dev/null || exit 99
dscompress quantize m.onnx -q --ranges r.ranges -o a.onnx > /dev/null || exit
dscompress run a.onnx --inputs "$MODELS/hf/sentence-mean.short.in.npz" -o a.npz -q > /dev/null || exit
dscompress quantize m.onnx -q -o b.onnx
code=$?
[ -e b.onnx ] && echo "an output was left behind"
exit $code
