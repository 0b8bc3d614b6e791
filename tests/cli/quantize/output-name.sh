# a name that nothing can be written to is refused before any work is done
. "$SOURCE/tests/cli/tiny.sh"
dscompress export "$encoder" -q -o m.onnx > /dev/null || exit 99
for model in "$encoder" m.onnx; do
    for name in noext x.ONNX folder/; do
        for method in "dynamic" "weight-only" "static --calib $messages" \
            "qat --train $messages" "static --calib $messages --target-size 80%"; do
            dscompress quantize "$model" --method $method -o $name > out 2> err
            echo "$? $name $(wc -l < out) $(grep -o '\[.*\]' err)"
        done
    done
done | sort | uniq -c | sed 's/^ *//'
ls -d noext x.ONNX folder 2> /dev/null
true
