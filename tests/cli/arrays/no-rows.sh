. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:0,12:0 label=i8:0:0
dscompress calibrate "$mlp/binary.onnx" --data t.npz -o t.ranges
