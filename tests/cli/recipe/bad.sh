. "$SOURCE/tests/cli/mlp.sh"
# $1 a recipe: the exit status, and the error
bad() {
    printf '%b\n' "$1" > r.yaml
    dscompress train m.onnx --train t -o y --recipe r.yaml 2> err
    echo "$? $(sed 's/^dscompress: error: //' err | tr '\n' ' ')"
}
bad 'lr: 1e-3\nepoch: 3'
bad 'lr: many'
bad 'schedule: linaer'
bad 'lr: [1, 2]'
bad 'lr: {a: 1}'
bad 'lr:'
bad 'lr: 1\nlr: 2'
bad 'lr: 1\ntrain:\n  lr: 2'
bad 'train: {}\ntrain: {}'
bad 'trian: {}'
bad 'quantize:\n  epoch: 1'
bad 'freeze: []'
bad 'freeze: [[a]]'
bad 'train:\n  freeze:\n    a: b'
bad 'force: yes'
bad 'recipe: other.yaml'
bad '- a'
bad ''
bad '# nothing'
bad 'a: &x [b]\nc: *x'
bad 'lr: !!float 3'
bad '<<: {a: b}'
bad '? [a, b]\n: c'
bad 'lr: "1'
bad 'lr: 1\n---\nlr: 2'
bad 'lr: \0377'
bad 'freeze: "a\\0b"'
