. "$SOURCE/tests/cli/mlp.sh"
# without --part the rows to train on
for part in "" train dev test; do
    dscompress calibrate "$mlp/classes.onnx" -q --data "$mlp/classes.npz" --split 70/10/20 ${part:+--part $part} -o r$part.ranges > /dev/null || exit
done
cmp r.ranges rtrain.ranges && echo "train is meant"
for part in dev test; do cmp -s r.ranges r$part.ranges || echo "$part is another"; done
