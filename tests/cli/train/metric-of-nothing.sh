# --metric without rows to score on
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx --metric accuracy
code=$?
[ -e m.onnx ] && echo "an output was left behind"
exit $code
