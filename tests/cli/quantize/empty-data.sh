. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
printf "text\tlabel\n" > t.tsv
dscompress quantize m.onnx -q --calib t.tsv -o q.onnx
