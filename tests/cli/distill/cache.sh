# what the teacher says is kept and read again: the same bytes with and without; of something else it is refused
. "$SOURCE/tests/cli/tiny.sh"
train teacher.onnx > /dev/null || exit 99
train other.onnx --seed 5 > /dev/null || exit 99
distill() {
    dscompress distill "$encoder" --train "$messages" --split 70/10/20 --epochs 2 --max-length 32 --lr 3e-3 "$@"
}
distill --teacher teacher.onnx -q -o plain.onnx > /dev/null || exit
distill --teacher teacher.onnx --teacher-cache t.cache -n -q -o x.onnx > /dev/null || exit
test -e t.cache && echo written by a dry run
distill --teacher teacher.onnx --teacher-cache t.cache -q -o first.onnx > /dev/null || exit
cp t.cache kept
distill --teacher teacher.onnx --teacher-cache t.cache --seed 7 --temperature 5 -o seven.onnx > /dev/null 2> log || exit
grep -o 'what the teacher says of [0-9]* rows' log | sed 's/[0-9][0-9]*/N/'
distill --teacher teacher.onnx --teacher-cache t.cache -q -j 3 -o second.onnx > /dev/null || exit
cmp plain.onnx first.onnx && cmp plain.onnx second.onnx && cmp kept t.cache && echo the same bytes
distill --teacher teacher.onnx --seed 7 --temperature 5 -q -o live.onnx > /dev/null || exit
cmp live.onnx seven.onnx && echo the same bytes
(head -n 1 "$messages"; tail -n +4 "$messages") > less.tsv
for o in "--teacher other.onnx" "--teacher teacher.onnx --split 60/20/20" "--teacher teacher.onnx --max-length 16" \
    "--teacher teacher.onnx --train less.tsv"; do
    distill --teacher-cache t.cache -q $o -o x.onnx > /dev/null
    echo $?
done
head -c 100 kept > broken
distill --teacher teacher.onnx --teacher-cache broken -q -o x.onnx > /dev/null
echo $?
distill --teacher teacher.onnx --teacher-cache plain.onnx -f -q -o x.onnx > /dev/null
echo $?
cmp kept t.cache
test -e x.onnx && echo an output
distill --teacher other.onnx --teacher-cache t.cache -f -q -o y.onnx > /dev/null || exit
distill --teacher other.onnx -q -o z.onnx > /dev/null || exit
cmp y.onnx z.onnx && echo the same bytes
dscompress quantize teacher.onnx --method qat --train "$messages" --teacher self --teacher-cache q.cache -q -o q.onnx > /dev/null || exit
dscompress quantize teacher.onnx --method qat --train "$messages" --teacher self --teacher-cache q.cache -q -o r.onnx > /dev/null || exit
cmp q.onnx r.onnx && echo the same bytes
dscompress quantize teacher.onnx --method qat --train "$messages" --teacher-cache q.cache -q -o s.onnx
