. "$SOURCE/tests/cli/mlp.sh"
# a model that is its own teacher has nothing to learn but the labels, whatever it ends in
one() {
    name=$1 data=$2
    shift 2
    dscompress distill "$mlp/$name.onnx" --teacher "$mlp/$name.onnx" -q --train "$mlp/$data.npz" --epochs 1 -o $name.onnx "$@" > /dev/null || exit
    dscompress gate $name.onnx --baseline "$mlp/$name.onnx" --data "$mlp/$data.npz" "$bar" "$@" > out 2>&1 || { cat out; exit 1; }
}
bar=--max-drop=accuracy=0.01
one classes classes
one binary binary
one binary.sigmoid binary --logits probs
one classes.softmax classes --logits probs
bar=--max-drop=mse=0.005
one values values
# rows of arrays may be without labels, too
dscompress distill "$mlp/values.onnx" --teacher "$mlp/values.onnx" -q --train "$mlp/values.npz" --unlabeled "$mlp/values.npz" --alpha 1 --epochs 1 -o u.onnx > /dev/null || exit
dscompress gate u.onnx --baseline "$mlp/values.onnx" --data "$mlp/values.npz" $bar > out 2>&1 || { cat out; exit 1; }
