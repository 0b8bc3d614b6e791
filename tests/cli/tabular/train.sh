# learns what the row before says, and later verbs read the same table
. "$SOURCE/tests/cli/cards.sh"
dscompress train new:lstm,hidden=16,embedding=2 --train cards.csv --split 80/10/10 --columns label=fraud \
    --features $features --sequence $sequence --positive yes --epochs 40 --lr 1e-2 --seed 3 \
    --threads 2 -q -o a.onnx > /dev/null || exit
dscompress train new:lstm,hidden=16,embedding=2 --train cards.csv --split 80/10/10 --columns label=fraud \
    --features $features --sequence $sequence --positive yes --epochs 40 --lr 1e-2 --seed 3 \
    --threads 1 -q -o b.onnx > /dev/null || exit
cmp a.onnx b.onnx || exit
dscompress gate a.onnx --data cards.csv --split 80/10/10 --part test --min roc-auc=0.8 -q || exit
dscompress quantize a.onnx --calib cards.csv --split 80/10/10 -q -o q.onnx > /dev/null || exit
dscompress gate q.onnx --baseline a.onnx --data cards.csv --max-drop roc-auc=0.02 -q
