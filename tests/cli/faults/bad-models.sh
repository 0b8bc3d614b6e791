# Files whose parts do not fit each other: the class of the error, from every verb, and no output
np=in.npz
cp "$MODELS/onnx/dense.in.npz" $np
try() {
    model=$MODELS/bad/$1.onnx
    for verb in "inspect $model" "inspect $model --validate" "run $model --inputs $np -o out.npz" \
        "export $model -o out.onnx" "quantize $model --method dynamic -o out.onnx" \
        "bench $model --batch 1"; do
        dscompress $verb -q > out 2> err
        code=$?
        [ $code -eq 65 ] && [ "$(grep -c "^dscompress: error: .*\[$2\]$" err)" -eq 1 ] ||
            { echo "$1: $verb: exit status $code"; cat err; }
        grep -v "^dscompress: error: \|^  hint: " err
    done
    ls -A | grep -v '^out$\|^err$\|^in.npz$'
}
try wrong-type TYPE
try unknown-type UNSUPPORTED
try wrong-shape SHAPE
try short-data TRUNC
try long-data INCONSISTENT
try huge-dims OVERFLOW
try large-dims TRUNC
try negative-dim RANGE
try no-input INCONSISTENT
try twice INCONSISTENT
try cycle INCONSISTENT
exit 0
