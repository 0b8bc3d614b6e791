. "$SOURCE/tests/cli/tiny.sh"
sed 's/attention_mask/attention_musk/g' "$MODELS/torch/tiny_bert_ts.onnx" > m.onnx
printf 'text\tlabel\na\t0\nbb\t1\nab\t2\n' > t.tsv
dscompress train m.onnx --tokenizer "$encoder/vocab.txt" --max-length 8 --inputs mask=attention_musk --train t.tsv --epochs 1 -q -o t.onnx > /dev/null || exit
dscompress eval t.onnx --data t.tsv --metric accuracy || exit
dscompress eval m.onnx --tokenizer "$encoder/vocab.txt" --data t.tsv --metric accuracy
