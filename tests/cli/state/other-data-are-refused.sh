printf 'text\tlabel\nfree prize\t1\nhome later\t0\n' > a.tsv
printf 'text\tlabel\nfree prize\t1\nhome soon\t0\n' > b.tsv
t() { dscompress train "$MODELS/hf/bert/base" --epochs 1 --batch 2 -q --state run "$@" > /dev/null; }
t --train a.tsv -o a.onnx || exit
t --train b.tsv -o b.onnx
code=$?
[ -e b.onnx ] && echo "an output was left behind"
exit $code
