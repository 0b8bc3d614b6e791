# what stands beside --plan or has too few rows
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --target-size 80% --save-plan p.json > /dev/null || exit 99
try() { dscompress quantize m.onnx -q -o q.onnx "$@" > /dev/null; echo $?; }
try --calib "$messages" --plan p.json --sensitivity=t.json
try --calib "$messages" --plan p.json --target-size 70%
try --calib "$messages" --plan p.json --max-drop accuracy=0.1
try --calib "$messages" --plan p.json --exclude classifier
try --calib "$messages" --plan p.json --include classifier
try --calib "$messages" --target-size 0%
try --calib "$messages" --target-size 101%
try --calib "$messages" --target-size much
head -n 10 "$messages" > nine.tsv
try --calib nine.tsv --target-size 80%
dscompress calibrate m.onnx -q --data "$messages" -o r.ranges > /dev/null || exit 99
try --ranges r.ranges --target-size 80%
try --calib "$messages" --target-size 80% --save-plan p.json # is there, and is said so at once
ls q.onnx 2> /dev/null
true
