. "$SOURCE/tests/cli/tiny.sh"
dscompress train "$encoder" --train nothing.tsv --positive spam -o m.onnx
