# Models cut at several places: exit 65 with one line, from every verb, and no output
. "$SOURCE/tests/cli/tiny.sh"
train base.onnx > /dev/null || exit
cp -r "$encoder" whole
chmod -R u+w whole
try() {
    dscompress "$@" -q > out 2> err
    code=$?
    [ $code -eq 65 ] && [ "$(grep -c '^dscompress: error: ' err)" -eq 1 ] &&
        ! grep -qv '^dscompress: \|^  hint: ' err || { echo "$* ($n bytes): $code"; cat err; }
}
for n in 0 1 7 100 20000 $(($(wc -c < base.onnx) - 1)); do
    head -c "$n" base.onnx > cut.onnx
    try inspect cut.onnx
    try run cut.onnx --inputs "$encoder.short.in.npz" -o out.npz
    try eval cut.onnx --data "$messages"
    try calibrate cut.onnx --data "$messages" -o out.ranges
    try quantize cut.onnx --method dynamic -o out.onnx
    try gate cut.onnx --baseline base.onnx --data "$messages" --max-drop f1=1
    try gate base.onnx --baseline cut.onnx --data "$messages" --max-drop f1=1
    try export cut.onnx -o out.onnx
    try train cut.onnx --train "$messages" --epochs 1 -o out.onnx
    try bench cut.onnx
done
for n in 0 1 7 100 20000 $(($(wc -c < whole/model.safetensors) - 1)); do
    head -c "$n" "$encoder/model.safetensors" > whole/model.safetensors
    try inspect whole
    try inspect whole/model.safetensors
    try run whole --inputs "$encoder.short.in.npz" -o out.npz
    try train whole --train "$messages" --epochs 1 -o out.onnx
    try export whole -o out.onnx
done
cp "$encoder/model.safetensors" whole
for file in config.json tokenizer.json; do
    for n in 1 7 100 $(($(wc -c < "$encoder/$file") - 3)); do
        head -c "$n" "$encoder/$file" > "whole/$file"
        [ $file = config.json ] && try inspect whole
        [ $file = tokenizer.json ] && try tokenize whole/tokenizer.json --data "$messages"
        try train whole --train "$messages" --epochs 1 -o out.onnx
    done
    cp "$encoder/$file" whole
done
rm -f out err
ls -A
