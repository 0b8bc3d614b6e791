# weights of 3, 2 and 1 bits: learned, the same for any number of threads, read by eval, trained further
# from what was written, with tables too; refused where nothing runs or learns them
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
qat() { dscompress quantize m.onnx -q --method qat --train "$messages" "$@" > /dev/null; }
labels() { dscompress eval "$1" --data "$messages" -q -f --predictions p.jsonl > /dev/null && cut -d, -f1-4 p.jsonl > "$2"; }
while read -r how; do
    qat $how -j 1 -o 1.onnx && qat $how -j 2 -f -o 2.onnx || exit
    cmp 1.onnx 2.onnx && labels 1.onnx 1.txt || exit
    dscompress train 1.onnx --train "$messages" -q --lr 1e-12 --epochs 1 -o t.onnx > /dev/null || exit
    labels t.onnx t.txt && cmp 1.txt t.txt && [ "$(wc -c < 1.onnx)" -ge "$(($(wc -c < t.onnx) - 1000))" ] && echo "$how"
    rm 1.onnx 2.onnx t.onnx
done << END
--scheme w3a8
--scheme w2a8
--scheme w2a8 --weight-quantizer lsq
--scheme w1a8
--scheme w3a8 --embeddings w3
--scheme w2a8 --embeddings w4
--scheme w2a8 --embeddings w2
--scheme w2a8 --embeddings w2 --weight-quantizer lsq
--scheme w1a8 --embeddings w1
--scheme w2a8 --teacher self
END
for s in w8a8 w1a8; do
    qat --scheme $s --embeddings w$(echo $s | cut -c 2) -o n.onnx -f && dscompress inspect n.onnx --json=i.json > /dev/null && grep -o '"params":[0-9]*' i.json
done
qat --scheme w2a8 -o w2.onnx --json=q.json && grep -o '"dtype_out":"ternary"' q.json | sort -u
dscompress prune m.onnx --pattern unstructured --sparsity 0.5 -q -o pruned.onnx > /dev/null
while read -r how; do
    dscompress quantize ${how##*@} ${how%@*} -o no.onnx 2> e.txt
    echo "$? $(head -n 1 e.txt)"
done << END
--method qat --train $messages --scheme w1a8 --target tensorrt @m.onnx
--method qat --train $messages --scheme w1a8 --weight-quantizer ternary @m.onnx
--method qat --train $messages --scheme w3a8 --weight-quantizer binary @m.onnx
--method qat --train $messages --embeddings float @m.onnx
--method qat --train $messages --embeddings w2 --granularity tensor @m.onnx
--method weight-only --embeddings w2 @m.onnx
--calib $messages --scheme w2a8 @m.onnx
--method qat --train $messages --scheme w1a8 @pruned.onnx
END
