. "$SOURCE/tests/cli/mlp.sh"
dscompress quantize "$mlp/classes.onnx" -q --calib "$mlp/classes.npz" -o q.onnx > /dev/null || exit
dscompress diagnose "$mlp/classes.onnx" q.onnx --data "$mlp/classes.npz" --below -10
