. "$SOURCE/tests/cli/cards.sh"
dscompress train new:lstm --train cards.csv --columns label=fraud --features amount=log,where=category \
    --sequence $sequence --positive yes -o a.onnx
