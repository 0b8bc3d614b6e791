. "$SOURCE/tests/cli/tiny.sh"
printf "text\tlabel\n" > t.tsv
dscompress train "$encoder" --train t.tsv --positive spam -o m.onnx
