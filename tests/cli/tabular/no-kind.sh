. "$SOURCE/tests/cli/cards.sh"
dscompress train new:lstm --train cards.csv --columns label=fraud --features amount=money -o a.onnx
