# A stream that does not end is no reason not to stop
. "$SOURCE/tests/cli/tiny.sh"
command -v timeout > /dev/null || { echo "timeout is missing"; exit 77; }
train base.onnx > /dev/null || exit
(echo "text	label"; sleep 5) | timeout --preserve-status -s TERM 2 dscompress eval base.onnx --data -
