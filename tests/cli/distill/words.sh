# what is missing or has no part is said before anything is computed
. "$SOURCE/tests/cli/tiny.sh"
try() { dscompress "$@" -o s.onnx 2>&1 | head -n 1; }
try distill "$encoder" --train "$messages"
try distill "$encoder" --teacher nowhere.onnx --train "$messages" --positive spam
try distill "$encoder" --teacher self --train "$messages" --positive spam
try distill "$encoder" --teacher t.onnx --train "$messages" --alpha 1.5
try distill "$encoder" --teacher t.onnx --train "$messages" --temperature 0
try quantize "$encoder" --calib "$messages" --teacher self
try train "$encoder" --train "$messages" --teacher t.onnx
ls s.onnx 2> /dev/null
true
