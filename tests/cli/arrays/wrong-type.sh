. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f8:2,12:0 label=i8:2:0,1
dscompress quantize "$mlp/binary.onnx" --calib t.npz -o q.onnx
code=$?
ls
exit $code
