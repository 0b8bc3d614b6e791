. "$SOURCE/tests/cli/cards.sh"
dscompress train new:gru,hidden=8,layers=2 --train cards.csv --columns label=fraud \
    --features $features --sequence $sequence --positive yes --epochs 1 --state run -q -o a.onnx > /dev/null || exit
dscompress inspect a.onnx
