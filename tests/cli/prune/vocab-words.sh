# what is missing, or has no part, is said before anything is computed
. "$SOURCE/tests/cli/mlp.sh"
m=$MODELS/hf/sentence-cls
printf 'text\nfree prize\n' > a.tsv
printf 'text\n' > none.tsv
try() { dscompress prune "$@" -q 2>&1 > /dev/null | head -n 1 | sed "s#$MODELS#MODELS#"; }
try "$m" --pattern vocab -o p.onnx
try "$m" --pattern vocab --data nowhere.tsv -o p.onnx
try "$m" --pattern vocab --data none.tsv -o p.onnx
try "$m" --pattern vocab --data a.tsv -o p/
try "$m" --pattern vocab --data a.tsv --sparsity 0.5 -o p.onnx
try "$m" --pattern vocab --data a.tsv --require-speedup 1.1 -o p.onnx
try "$m" --pattern vocab --data a.tsv --include words -o p.onnx
try "$m" --pattern vocab --data a.tsv --split 70/10/20 -o p.onnx
try "$m" --pattern vocab --data a.tsv --require-size 10% -o p.onnx | sed 's/[0-9][0-9]* bytes/N bytes/; s/most [0-9]*/most N/'
try "$m" --pattern ffn --sparsity 0.5 --data a.tsv -o p.onnx
try "$mlp/binary.onnx" --pattern vocab --data a.tsv -o p.onnx
dscompress prune "$m" --pattern vocab --data a.tsv -q -o v.onnx > /dev/null && try v.onnx --pattern vocab --data a.tsv -o p.onnx
try "$m" --pattern vocab --data a.tsv --keep-tokens 0 -o p.onnx
try "$m" --pattern vocab --data a.tsv --keep-tokens 3 -o p.onnx
try "$m" --pattern vocab --data a.tsv --keep-tokens 1000000 -o p.onnx
try "$m" --pattern ffn --sparsity 0.5 --keep-tokens 80 -o p.onnx
ls p p.onnx 2> /dev/null
true
