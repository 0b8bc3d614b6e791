. "$SOURCE/tests/cli/mlp.sh"
npz t.npz x=f4:6,12:0.5,1,-1,0,2 label=i8:6:3,70,200,8,5,5
dscompress eval "$mlp/values.onnx" -q --data t.npz --task regress && dscompress eval "$mlp/values.onnx" --data t.npz
