. "$SOURCE/tests/cli/tiny.sh"
dscompress train "$encoder" --train "$messages" -o m.onnx
code=$?
ls m.onnx 2> /dev/null
exit $code
