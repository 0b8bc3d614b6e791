. "$SOURCE/tests/cli/tiny.sh"
printf "text\tlabel\nok\tham\nfree \377 now\tspam\n" > t.tsv
dscompress train "$encoder" --train t.tsv --positive spam -o m.onnx
