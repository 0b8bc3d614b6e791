. "$SOURCE/tests/cli/mlp.sh"
dscompress quantize "$mlp/binary.onnx" -q --calib "$mlp/binary.npz" -o q.onnx > /dev/null || exit
dscompress gate q.onnx --baseline "$mlp/binary.onnx" --data "$mlp/binary.npz" --max-drop f1=0.01 --min accuracy=0.85
