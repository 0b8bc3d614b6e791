mkdir run
printf 'text\tlabel\nfree prize\t1\nhome later\t0\n' > a.tsv
flock run/lock sh -c 'dscompress train "$MODELS/hf/bert/base" --train a.tsv --epochs 1 --batch 2 -q --state run -o x.onnx'
