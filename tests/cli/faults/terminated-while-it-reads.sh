# A stream that does not end is no reason not to stop
. "$SOURCE/tests/cli/tiny.sh"
. "$SOURCE/tests/cli/signals.sh"
train base.onnx > /dev/null || exit
mkfifo rows
dscompress eval base.onnx --data - < rows &
pid=$!
exec 3> rows
echo "text	label" >&3
working $pid
kill -TERM $pid
wait $pid
