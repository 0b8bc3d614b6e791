# Standard output full, closed, or a pipe that nobody reads: exit 74, with what was written whole
[ -e /dev/full ] || { echo "no /dev/full"; exit 77; }
. "$SOURCE/tests/cli/tiny.sh"
train base.onnx > /dev/null || exit
dscompress quantize base.onnx --method dynamic -o int8.onnx > /dev/null || exit
check() {
    [ "$1" -eq 74 ] && [ "$(grep -c 'error: standard output: .*\[\(IO\|NOSPACE\)\]$' err)" -eq 1 ] ||
        { echo "$2: exit status $1"; cat err; }
}
try() {
    dscompress "$@" > /dev/full 2> err
    check $? "full, $*"
    rm -f out*
    dscompress "$@" >&- 2> err
    check $? "closed, $*"
    rm -f out*
    { dscompress "$@" 2> err; echo $? > code; } | true
    check "$(cat code)" "unread, $*"
}
try inspect base.onnx
try inspect base.onnx --tensors --json
try tokenize "$encoder" --data "$messages"
try run "$encoder" --inputs "$encoder.short.in.npz" -o out.npz
try eval base.onnx --data "$messages"
try eval base.onnx --data "$messages" --json
try gate int8.onnx --baseline base.onnx --data "$messages" --max-drop f1=1
try export base.onnx -o out.onnx
cmp base.onnx out.onnx
try calibrate base.onnx --data "$messages" --limit 20 -o out.ranges
try quantize base.onnx --method dynamic -o out.onnx --json
cmp int8.onnx out.onnx
try bench base.onnx --batch 1 --length 8
