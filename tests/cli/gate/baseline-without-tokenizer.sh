# rows of text that the candidate reads, and the baseline cannot; nor can a teacher
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
bert=$MODELS/torch/tiny_bert_ts.onnx
dscompress distill "$encoder" --teacher "$bert" --train "$messages" --positive spam --max-length 16 --epochs 1 -q -o s.onnx > /dev/null
echo "$?"
dscompress gate m.onnx --baseline "$bert" --data "$messages" --max-length 16 --max-drop accuracy=0.5
