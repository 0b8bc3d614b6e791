. "$SOURCE/tests/cli/tiny.sh"
train base.onnx > /dev/null || exit
dscompress eval base.onnx --data "$messages" -q --predictions /dev/full > /dev/null
code=$?
dscompress eval base.onnx --data "$messages" -q --predictions /dev/stderr 2>&1 > /dev/null | grep -c prediction
ls -A
exit $code
