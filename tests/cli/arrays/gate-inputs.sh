. "$SOURCE/tests/cli/mlp.sh"
dscompress gate "$mlp/binary.onnx" --baseline "$mlp/classes.onnx" --data "$mlp/binary.npz" --max-drop accuracy=0.5
