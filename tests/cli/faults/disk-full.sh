# A file system that fills up: exit 74 of class NOSPACE, nothing left, and an old file still whole
. "$SOURCE/tests/cli/tiny.sh"
train base.onnx > /dev/null || exit
cat > inside <<'END'
mkdir disk
mount -t tmpfs -o size=64k none disk 2> /dev/null || { echo "no right to mount"; exit 77; }
echo old > disk/old.onnx
for args in "quantize base.onnx --method dynamic -o disk/x.onnx" \
    "export base.onnx -o disk/x.onnx" \
    "export base.onnx -f -o disk/old.onnx" \
    "export base.onnx --target safetensors -o disk/x.safetensors" \
    "calibrate base.onnx --data $messages --limit 20 -o disk/x.ranges"; do
    dscompress $args -q > out 2> err
    echo "$? $(grep -c '\[NOSPACE\]$' err)"
done
ls -A disk
cat disk/old.onnx
END
export messages
unshare -rm true 2> /dev/null || { echo "no name spaces"; exit 77; }
unshare -rm sh inside
