# of several teachers the mean is learned: one given twice is that one, and weights are by their sum
. "$SOURCE/tests/cli/tiny.sh"
train a.onnx > /dev/null || exit 99
train b.onnx --seed 5 > /dev/null || exit 99
distill() { dscompress distill "$encoder" --train "$messages" --epochs 1 --max-length 32 --lr 3e-3 -q "$@" > /dev/null || exit; }
weights() { dscompress export "$1" --target safetensors -q -f -o w.safetensors > /dev/null && tail -c 20000 w.safetensors | sha256sum; }
distill --teacher a.onnx -o one.onnx
distill --teacher a.onnx --teacher a.onnx -o twice.onnx
distill --teacher a.onnx --teacher b.onnx -o both.onnx
distill --teacher b.onnx --teacher a.onnx --teacher-weights 3,3 -o turned.onnx
distill --teacher a.onnx --teacher b.onnx --teacher-weights 1,0.001 --teacher-cache t.cache -o most.onnx
[ "$(weights one.onnx)" = "$(weights twice.onnx)" ] && echo twice is once
[ "$(weights both.onnx)" = "$(weights turned.onnx)" ] && echo order has no part
[ "$(weights both.onnx)" = "$(weights one.onnx)" ] && echo the second has no part
python3 - <<"END"
import json, struct
raw = open("t.cache", "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
print(json.loads(raw[8:8 + n])["outputs"]["shape"][1])
END
grep -ao '"teacher2*":' both.onnx | sort -u
try() { dscompress distill "$encoder" --train "$messages" --positive spam -o x.onnx "$@" 2>&1 | head -n 1; }
try --teacher a.onnx --teacher b.onnx --teacher-weights 1
try --teacher a.onnx --teacher b.onnx --teacher-weights 1,-1
try --teacher a.onnx --teacher b.onnx --teacher-weights 1,one
try --teacher a.onnx --temperature 8:0
try --teacher a.onnx --alpha 1:
try --teacher a.onnx --teacher b.onnx --teacher-cache t.cache -q
distill --teacher a.onnx --temperature 8:1 --alpha 1:0.5 -j 1 -o ramp.onnx
distill --teacher a.onnx --temperature 8:1 --alpha 1:0.5 -j 3 -o again.onnx
cmp ramp.onnx again.onnx && echo the same bytes
distill --teacher a.onnx --temperature 3:3:3 --alpha 0.7:0.7 -o level.onnx
[ "$(weights level.onnx)" = "$(weights one.onnx)" ] && echo a level ramp is a number
