. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null
printf "text\tlabel\nok\tham\nok now\teggs\n" > t.tsv
dscompress eval m.onnx --data t.tsv
