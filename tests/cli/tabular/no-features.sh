. "$SOURCE/tests/cli/cards.sh"
dscompress train new:lstm --train cards.csv --columns label=fraud --positive yes -o a.onnx
