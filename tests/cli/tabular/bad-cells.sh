. "$SOURCE/tests/cli/cards.sh"
sed -i '3s/,[0-9]*,\([abc]\)/,many,\1/; 5s/2024-03/2024-13/' cards.csv
dscompress train new:lstm --train cards.csv --columns label=fraud --features $features \
    --sequence $sequence --positive yes -o a.onnx
