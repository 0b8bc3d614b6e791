# classes that are not the student's would teach it the wrong ones
. "$SOURCE/tests/cli/tiny.sh"
train teacher.onnx > /dev/null || exit 99
sed 's/spam$/fraud/' "$messages" > fraud.tsv
dscompress train "$encoder" --train fraud.tsv --positive fraud --epochs 1 --max-length 32 -q -o student.onnx > /dev/null || exit 99
dscompress distill student.onnx --teacher teacher.onnx --train fraud.tsv -q -o s.onnx
