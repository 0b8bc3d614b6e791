# what is wrong in a recipe is said with its place, before anything runs
. "$SOURCE/tests/cli/mlp.sh"
bad() {
    printf '%b\n' "$1" > r.yaml
    shift
    dscompress pipeline r.yaml "$@" > out 2> err
    echo "$? $(sed 's/^dscompress: error: //' err | tr '\n' ' ')"
    cat out
}
eval="eval: {args: [$mlp/classes.onnx], data: $mlp/classes.npz}"
bad 'stages: []'
bad 'lr: 1'
bad "stages:\n- $eval\n- evla: {}"
bad "stages:\n- eval: {args: [m.onnx], data: d.npz,\n    metrics: f1}"
bad "stages:\n- eval: {args: [m.onnx], data: d.npz, limit: many}"
bad "stages:\n- eval: {args: [m.onnx]}"
bad "stages:\n- eval: {data: d.npz}"
bad "stages:\n- eval:"
bad "stages:\n- $eval\n  data: x"
bad "stages:\n- [a]"
bad "stages:\n- $eval\n- $eval"
bad "stages:\n- eval: {name: a b, args: [m.onnx], data: d.npz}"
bad "stages:\n- $eval\nstages:\n- $eval"
bad "stages:\n- pipeline: {args: [r.yaml]}"
bad "epochz: 3\nstages:\n- $eval"
bad "epochs: 3\nstages:\n- $eval"
bad "train: {epochz: 3}\nstages:\n- $eval"
bad "stages:\n- $eval" --set gate.min=f1=0.5
bad "stages:\n- $eval" --set metric
dscompress eval "$mlp/classes.onnx" --data "$mlp/classes.npz" --recipe r.yaml 2>&1
dscompress pipeline nothing.yaml 2>&1
dscompress pipeline r.yaml --recipe r.yaml 2>&1
exit 0
