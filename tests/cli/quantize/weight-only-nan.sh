# a weight with NaN: known before anything is written
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
python3 - <<"END"
import struct
b = open("m.onnx", "rb").read()
name = b"encoder.layer.1.output.dense.weight"
at = b.index(b"B" + bytes([len(name)]) + name) + 2 + len(name) # field 8, then field 9: the values
assert b[at] == 0x4a, b[at:at + 4]
at += 3
while b[at - 1] & 0x80:
    at += 1
open("nan.onnx", "wb").write(b[:at + 400] + struct.pack("<f", float("nan")) + b[at + 404:])
END
dscompress quantize nan.onnx --method weight-only --scheme w4 -q -o q.onnx
code=$?
[ -e q.onnx ] && echo "an output was left behind"
exit $code
