. "$SOURCE/tests/cli/signals.sh"
echo "text	label" > rows.tsv
for i in $(seq 200); do echo "claim your prize $i	1"; echo "see you later $i	0"; done >> rows.tsv
dscompress train "$MODELS/hf/bert/base" --train rows.tsv --epochs 500 --batch 8 -q --state run -o x.onnx > /dev/null &
pid=$!
working $pid
kill -TERM $pid
wait $pid
code=$?
[ -e x.onnx ] && echo "an output was left behind"
[ "$(ls run | grep -c safetensors)" -ge 1 ] && echo "saved"
exit $code
