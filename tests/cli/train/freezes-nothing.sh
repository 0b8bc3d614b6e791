. "$SOURCE/tests/cli/tiny.sh"
train m.onnx --freeze no-such-weight
code=$?
ls m.onnx 2> /dev/null
exit $code
