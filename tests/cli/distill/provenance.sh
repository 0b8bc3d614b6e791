# a teacher is known by its bytes, wherever it lies
. "$SOURCE/tests/cli/tiny.sh"
train t.onnx > /dev/null || exit 99
mkdir elsewhere
cp t.onnx elsewhere/u.onnx
distill() { dscompress distill "$encoder" --train "$messages" --epochs 1 --max-length 32 -j 1 -q "$@" > out || exit 99; }
distill --teacher t.onnx -o a.onnx
distill --teacher elsewhere/u.onnx -o b.onnx
cmp a.onnx b.onnx && echo "same bytes"
grep -c 't.onnx' a.onnx
grep -ao '"teacher":"[0-9a-f]*"' a.onnx | sed "s/$(sha256sum < t.onnx | cut -d' ' -f1)/sha256/"
dscompress quantize t.onnx --method qat --train "$messages" --teacher self --epochs 1 -j 1 -q -o q.onnx > out || exit 99
grep -ao '"teacher":"[0-9a-f]*"' q.onnx | sed "s/$(sha256sum < t.onnx | cut -d' ' -f1)/sha256/"
