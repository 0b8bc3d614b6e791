. "$SOURCE/tests/cli/mlp.sh"
printf 'text\tlabel\na\t0\nb\t1\n' > t.tsv
dscompress eval "$mlp/binary.onnx" --data t.tsv
