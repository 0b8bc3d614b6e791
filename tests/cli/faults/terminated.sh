# SIGTERM while a verb works: exit 143, one line, and neither an output nor a part of one
. "$SOURCE/tests/cli/tiny.sh"
. "$SOURCE/tests/cli/signals.sh"
train base.onnx > /dev/null || exit
echo "text	label" > rows.tsv
for i in $(seq 500); do sed 1d "$messages"; done >> rows.tsv
stop() {
    dscompress "$@" > out 2> err &
    pid=$!
    working $pid
    kill -TERM $pid 2> /dev/null
    wait $pid
    code=$?
    [ $code -eq 143 ] && [ "$(grep -c 'error:' err)" -le 1 ] || { echo "$*: exit status $code"; cat err; }
}
stop train "$encoder" --train "$messages" --positive spam --epochs 1000 -q -o out.onnx
stop quantize base.onnx --method qat --train "$messages" --epochs 1000 -q -o out.onnx
stop quantize base.onnx --calib rows.tsv --calib-rows 100000 --batch 1 -o out.onnx
stop calibrate base.onnx --data rows.tsv --batch 1 -o out.ranges
stop eval base.onnx --data rows.tsv --batch 1 --predictions out.jsonl
stop gate base.onnx --baseline base.onnx --data rows.tsv --batch 1 --max-drop f1=1 --junit out.xml
stop export base.onnx --verify rows.tsv --batch 1 -o out.onnx
stop bench base.onnx --batch 64 --length 16
for i in $(seq 8); do cat rows.tsv; done > more.tsv # tokenize is done with rows.tsv in that time
stop tokenize "$encoder" --data more.tsv --json
rm -f out err more.tsv
ls -A
