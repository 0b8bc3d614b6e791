# A label that the model does not know, in whichever data
model=$MODELS/hf/bert/cls
printf 'text\tlabel\nfree\tham\nnow\tspam\nlate\tsmish\n' > rows.tsv
printf 'text\tlabel\nfree\tham\nnow\tseven\n' > seven.tsv
try() {
    dscompress "$@" -q > out 2> err
    code=$?
    [ $code -eq 65 ] && grep -q "seven.tsv: .*label 'seven' is not in the label map.*\[RANGE\]$" err ||
        { echo "$*: exit status $code"; cat err; }
}
try train "$model" --train seven.tsv --epochs 1 -o x.onnx
try train "$model" --train rows.tsv --eval seven.tsv --epochs 1 -o x.onnx
try quantize "$model" --method qat --train seven.tsv --epochs 1 -o x.onnx
try eval "$model" --data seven.tsv --predictions x.jsonl
try gate "$model" --baseline "$model" --data seven.tsv --max-drop accuracy=1 --junit x.xml
try export "$model" --verify seven.tsv -o x.onnx
rm out err
ls -A
