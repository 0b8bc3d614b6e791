. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null
printf "text\tlabel\nok\tham\nfree \377 now\tspam\n" > t.tsv
dscompress eval m.onnx --data t.tsv
