printf 'text\tlabel\nfree prize\t1\nhome later\t0\n' > a.tsv
t() { dscompress train "$MODELS/hf/bert/base" --train a.tsv --epochs 3 --batch 2 -q --state run "$@" > /dev/null; }
t -o whole.onnx || exit
ls run | grep -c safetensors
printf 'x' | dd of=run/checkpoint-3.safetensors bs=1 seek=3000 conv=notrunc 2> /dev/null
dscompress train "$MODELS/hf/bert/base" --train a.tsv --epochs 3 --batch 2 --state run -o again.onnx --progress none > /dev/null || exit
cmp whole.onnx again.onnx && echo "same bytes"
