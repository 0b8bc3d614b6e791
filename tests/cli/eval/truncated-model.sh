. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null
for n in 1 7 100 1000 20000 60000 110000; do
    head -c $n m.onnx > cut.onnx
    dscompress eval cut.onnx --data "$messages" > /dev/null 2> err
    code=$?
    [ $code -eq 65 ] || echo "$n bytes: $code"
    grep -Eq "cut.onnx.*\[[A-Z]+\]" err || echo "$n bytes: no error"
done
