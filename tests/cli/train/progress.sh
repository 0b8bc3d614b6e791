. "$SOURCE/tests/cli/tiny.sh"
dscompress train "$encoder" --train "$messages" --positive spam --epochs 1 --max-length 32 --progress plain -o m.onnx 2>&1 > /dev/null | tail -n 1
dscompress train "$encoder" --train "$messages" --positive spam --epochs 1 --max-length 32 --progress json -o n.onnx 2>&1 > /dev/null | tail -n 1
