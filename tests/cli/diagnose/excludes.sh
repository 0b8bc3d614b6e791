. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --smooth 0 --bias-correction off --granularity tensor --reduce-range --observer percentile:90 -o q.onnx > /dev/null || exit 99
bar="--max-drop log-loss=0.001"
dscompress gate q.onnx --baseline m.onnx --data "$messages" $bar > /dev/null 2>&1
[ $? = 1 ] || echo "the bar is no bar"
dscompress diagnose m.onnx q.onnx -q --data "$messages" --find-excludes $bar --json=d.json > out || exit
python3 - > exclude <<"END"
import json
d = json.load(open("d.json"))["excludes"]
print(d["exclude"])
END
grep -c "^--exclude '$(sed 's/[\\^$.*[]/\\&/g' exclude)'" out
dscompress quantize m.onnx -q --calib "$messages" --smooth 0 --bias-correction off --granularity tensor --reduce-range --observer percentile:90 --exclude "$(cat exclude)" -o r.onnx > /dev/null || exit
dscompress gate r.onnx --baseline m.onnx --data "$messages" $bar > /dev/null && echo clears
