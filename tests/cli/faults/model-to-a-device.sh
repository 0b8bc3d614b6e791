# A model is read back before it gets its name, which a device cannot do
. "$SOURCE/tests/cli/tiny.sh"
train base.onnx > /dev/null || exit
ln -s /dev/null out.onnx
dscompress export base.onnx -f -o out.onnx
code=$?
readlink out.onnx
exit $code
