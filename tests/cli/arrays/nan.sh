. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:2,12:0,1,2,3,4,5,6,7,8,9,10,11,12,nan label=i8:2:0,1
dscompress eval "$mlp/binary.onnx" --data t.npz
