. "$SOURCE/tests/cli/tiny.sh"
. "$SOURCE/tests/cli/fresh.sh"
fresh ts a.onnx --epochs 1 --freeze layer.0/attention --freeze embeddings -v 2> log || exit
grep -c "trains " log
grep "trains " log
fresh ts b.onnx --epochs 1 --freeze . --unfreeze '/intermediate/' -v 2> log || exit
grep "trains " log
