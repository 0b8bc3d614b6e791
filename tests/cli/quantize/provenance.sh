# the metadata say by what options a file was made, those that were chosen for the user too
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress calibrate m.onnx --data "$messages" -q -o m.ranges > /dev/null || exit 99
flags() {
    name=$1
    shift
    dscompress quantize m.onnx -q -j 1 -o "$name.onnx" "$@" > /dev/null || exit 99
    python3 - "$name" <<'END'
import json, re, sys
text = open(sys.argv[1] + ".onnx", "rb").read()
at = text.index(b'{"verb":"quantize"')
p, _ = json.JSONDecoder().raw_decode(text[at:].decode("utf-8", "replace"))
keys = ["method", "scheme", "observer", "rounding", "granularity", "smooth", "freeze-observers", "seed"]
print(sys.argv[1], *(k + "=" + ",".join(p["flags"][k]) for k in keys if k in p["flags"]), *p["inputs"])
END
}
flags static --calib "$messages" | sed "s/smooth=0.95\|smooth=auto/smooth=CHOSEN/"
flags ranges --ranges m.ranges
flags dynamic --method dynamic
flags w8 --method weight-only
flags w4 --method weight-only --scheme w4 --calib "$messages"
flags qat --method qat --train "$messages"
