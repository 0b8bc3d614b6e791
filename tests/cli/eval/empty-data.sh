. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null
printf "text\tlabel\n" > t.tsv
dscompress eval m.onnx --data t.tsv
