# what is printed for --exclude can be pasted, whatever the model calls its nodes
. "$SOURCE/tests/cli/tiny.sh"
tokenizer="--tokenizer $MODELS/hf/sentence-mean/tokenizer.json"
model=$MODELS/quant/quoted-names.onnx
# the labels that the model is right on more often
awk -F '\t' -v OFS='\t' 'NR > 1 { $2 = $2 == "ham" ? "spam" : "ham" } { print }' "$messages" > rows.tsv
dscompress quantize "$model" $tokenizer --calib rows.tsv --observer percentile:60 -q -o q.onnx > /dev/null || exit 99
dscompress diagnose "$model" q.onnx $tokenizer --data rows.tsv --find-excludes --max-drop accuracy=0 -q > out || exit
grep -c "^it.s (one).x0a  " out
words=$(grep '^--exclude' out)
echo "$words"
eval "dscompress quantize \"\$model\" $tokenizer --calib rows.tsv -q -n -o r.onnx $words --json=r.json" > out || exit
grep -o '"name":"[^"]*","dtype_in":"f32","dtype_out":"f32","why":"left out' r.json
