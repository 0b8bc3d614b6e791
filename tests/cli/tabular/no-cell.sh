. "$SOURCE/tests/cli/cards.sh"
dscompress train new:transformer --train cards.csv --columns label=fraud --features $features -o a.onnx
