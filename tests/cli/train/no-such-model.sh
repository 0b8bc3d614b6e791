. "$SOURCE/tests/cli/tiny.sh"
dscompress train nothing --train "$messages" --positive spam -o m.onnx
