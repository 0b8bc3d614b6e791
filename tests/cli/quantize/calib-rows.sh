# the rows that are observed are counted in the report; dynamic has no use for them
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
quantize() {
    dscompress quantize m.onnx -q -f --calib "$messages" --calib-rows 7 -o q.onnx --json=r.json "$@" > out || exit 99
    grep -o '"calib_rows[a-z_]*":[0-9]*' r.json
}
quantize
quantize --method weight-only --scheme w4 | sed 's/^/weight-only /'
dscompress quantize m.onnx -q --method dynamic --calib-rows 7 -o d.onnx
