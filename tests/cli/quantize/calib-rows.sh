# the rows that are observed are counted in the report; dynamic has no use for them
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --calib-rows 7 -o q.onnx --json | grep -o '"calib_rows[a-z_]*":[0-9]*'
dscompress quantize m.onnx -q --method dynamic --calib-rows 7 -o d.onnx
