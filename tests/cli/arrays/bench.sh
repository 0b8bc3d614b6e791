. "$SOURCE/tests/cli/mlp.sh"
dscompress bench "$mlp/classes.onnx" --batch 1,4 --json > b.json || exit
python3 -c "import json; print([r['batch'] for r in json.load(open('b.json'))['rows']])"
dscompress bench "$mlp/classes.onnx" --length 4
