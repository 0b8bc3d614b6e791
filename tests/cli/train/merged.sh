. "$SOURCE/tests/cli/tiny.sh"
. "$SOURCE/tests/cli/fresh.sh"
for e in ts dynamo; do
    fresh $e $e.onnx --epochs 1 -v 2> log || exit
    grep -E "merged|trains .*[qQ]uery|^dscompress: [0-9]+ tensors|trains node_" log
    dscompress inspect $e.onnx --tensors="*query*" | grep query
done
exit 0
