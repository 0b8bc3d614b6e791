. "$SOURCE/tests/cli/tiny.sh"
grep -v 'spam$' "$messages" > ham.tsv
dscompress train "$encoder" --train ham.tsv --positive ham --epochs 1 --max-length 32 -q -o m.onnx
