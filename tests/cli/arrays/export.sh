. "$SOURCE/tests/cli/mlp.sh"
dscompress export "$mlp/binary.onnx" --dtype fp16 --verify "$mlp/binary.npz" -o half.onnx
