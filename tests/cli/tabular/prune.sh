# fewer hidden units, then zeros, then training around them: later verbs take each other's files
. "$SOURCE/tests/cli/cards.sh"
dscompress train new:lstm,hidden=16,embedding=2,layers=2 --train cards.csv --columns label=fraud \
    --features $features --sequence $sequence --positive yes --epochs 2 --lr 1e-2 -q -o a.onnx > /dev/null || exit
dscompress prune a.onnx --pattern gates --sparsity 0.5 --train cards.csv --importance taylor --epochs 1 --lr 1e-2 \
    -q --json -o b.onnx > report.json || exit
grep -o '"units":[0-9]*,"removed":[0-9]*' report.json
dscompress prune b.onnx --pattern unstructured --sparsity 0.6 -q -o c.onnx > /dev/null || exit
dscompress train c.onnx --train cards.csv --epochs 1 --lr 1e-3 -o d.onnx 2>&1 > /dev/null | grep -o '[0-9]* pruned tensors keep'
