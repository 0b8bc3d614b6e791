# A folder without the right to write: exit 73, nothing made
. "$SOURCE/tests/cli/tiny.sh"
mkdir closed
chmod 555 closed
[ ! -w closed ] || { echo "root may write everywhere"; exit 77; }
for args in "run $encoder --inputs $encoder.short.in.npz -o closed/out.npz" \
    "run $encoder --inputs $encoder.short.in.npz -o closed/out/" \
    "train $encoder --train $messages --positive spam --epochs 1 -o closed/x.onnx"; do
    dscompress $args > out 2> err
    code=$?
    [ $code -eq 73 ] || { echo "$args: $code"; cat err; }
done
ls -A closed
