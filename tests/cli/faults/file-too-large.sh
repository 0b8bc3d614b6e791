# A write that fails in the middle of a file: exit 74, and neither the file nor a part of it
. "$SOURCE/tests/cli/tiny.sh"
train base.onnx > /dev/null || exit
small() {
    (ulimit -f 16; dscompress "$@" -q > out 2> err)
    code=$?
    [ $code -eq 74 ] && grep -q 'File too large \[IO\]$' err && [ "$(wc -l < err)" -eq 1 ] ||
        { echo "$*: exit status $code"; cat err; }
}
small train "$encoder" --train "$messages" --positive spam --epochs 1 --max-length 8 -o x.onnx
small quantize base.onnx --method dynamic -o x.onnx
small quantize base.onnx --calib "$messages" --split 70/10/20 -o x.onnx
small export base.onnx -o x.onnx
small export base.onnx --target safetensors -o x.safetensors
small calibrate base.onnx --data "$messages" -o x.ranges
small eval base.onnx --data "$messages" --predictions x.jsonl
rm -f out err
ls -A
