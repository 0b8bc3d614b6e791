# Read by scripts: command lines of documents, and the files that they name, made small.
. "$SOURCE/tests/cli/tiny.sh"

# FILE ..: its lines that begin with dscompress, joined where they go on, without comments
lines_of() {
    sed -e ':more' -e '/\\$/N; s/\\\n *//; t more' "$@" | sed -n \
        -e 's/^[[:space:]]*\(echo .* | dscompress \)/\1/; t keep' \
        -e 's/^[[:space:]]*dscompress /dscompress /; t keep' -e d -e ':keep' \
        -e 's/[[:space:]]*#.*//' -e p
}

make_files() {
    train sms.onnx > /dev/null || exit 99
    for name in model fp32 before after; do cp sms.onnx $name.onnx; done
    dscompress quantize sms.onnx --method dynamic -o int8.onnx -q > /dev/null || exit 99
    cp int8.onnx model-int8.onnx
    dscompress calibrate sms.onnx --data "$messages" --limit 20 -o a.ranges -q > /dev/null || exit 99
    cp a.ranges b.ranges
    for name in sms test train texts; do cp "$messages" $name.tsv; done
    cp -r "$encoder" minilm
    cp -r "$encoder" model
    cp "$encoder.short.in.npz" in.npz
    cp "$MODELS/onnx/dense.onnx" .
    cp "$MODELS/gguf/types.gguf" model.gguf
    cp "$MODELS/pt/nested.pt" checkpoint.pt
    cp "$MODELS/torch/conv_ts.onnx" cnn.onnx
    cp "$MODELS/pt/net.onnx" net.onnx
    cp "$MODELS/mlp/classes.onnx" mlp.onnx
    cp "$MODELS/mlp/classes.npz" rows.npz
    cp -r "$MODELS/onnx/dense.set" test_data_set_0
    printf '%s\n' stages: '- train: {args: [minilm], train: sms.tsv, positive: spam, max-length: 32, output: chain.onnx}' \
        '- eval: {data: sms.tsv}' > recipe.yaml
    chmod -R u+w .
    . "$SOURCE/tests/cli/cards.sh"
    mkdir -p .local/share/bash-completion/completions
}

# The tiny model has 40 positions, its arrays are not those of every example, and time is short.
substitute() {
    sed -e 's/^dscompress run model.onnx --inputs test_data/dscompress run dense.onnx --inputs test_data/' \
        -e '/^dscompress bench/{ s/ --length [0-9]*//; s/ --batch [0-9,]*//
            s/^dscompress bench/& --length 16 --batch 1/; s/--threads 1,2/--threads 2/ }' \
        -e '/^dscompress train/s/$/ -f/; /^dscompress train.*tsv/s/$/ --max-length 32/; s/input_ids:1x128/input_ids:1x32/'
}

# Lines on standard input: each must pass; a gate may say no, which is exit 1.
run_lines() {
    substitute > lines
    [ -s lines ] || echo "there are no lines"
    HOME=$PWD
    export HOME
    while IFS= read -r line; do
        rm -f gate.xml
        sh -c "$line" > out 2> err < /dev/null
        code=$?
        case $code,$line in
        0,* | 1,*' gate '*) n=$((${n:-0} + 1)) ;;
        *) echo "exit status $code: $line"; cat err ;;
        esac
    done < lines
}
