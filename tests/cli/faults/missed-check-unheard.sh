# A check that fails where its report cannot be written: the report is the answer, so 74, not 1
[ -e /dev/full ] || { echo "no /dev/full"; exit 77; }
model=$MODELS/onnx/dense.onnx
for args in "--max-size 1B" "--max-size 1B --json" "--max-size 1B --json=/dev/full"; do
    dscompress gate "$model" $args > /dev/full 2> err
    echo "$? $(grep -c '\[NOSPACE\]$' err)"
done
dscompress gate "$model" --max-size 1B > /dev/null 2>&1
echo $?
