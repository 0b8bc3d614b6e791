# what calibration data lack is told by name, and in the report
. "$SOURCE/tests/cli/mlp.sh"
. "$SOURCE/tests/cli/tiny.sh"
npz same.npz x=f4:40,12:0.5 && npz few.npz x=f4:20,12:0.5,1,-2,0.25,3,7,0.125 || exit 99
echo "-- every row alike"
dscompress quantize "$mlp/binary.onnx" --calib same.npz --smooth 0 -o a.onnx --json=a.json 2>&1 > /dev/null | grep warning
echo "-- few values"
dscompress quantize "$mlp/binary.onnx" --calib few.npz --observer percentile:99.9 --smooth 0 -o b.onnx --json=b.json 2>&1 > /dev/null | grep warning
echo "-- another language"
train m.onnx > /dev/null || exit 99
for i in $(seq 0 40); do [ $i = 0 ] && echo "text	label" || echo "буква слово $i	ham"; done > other.tsv
dscompress quantize m.onnx --calib other.tsv -o c.onnx --json=c.json 2>&1 > /dev/null | grep warning
python3 - <<"END"
import json
a, b, c = (json.load(open(f"{x}.json")) for x in "abc")
print(a["constant_tensors"], b["constant_tensors"], a["tensors_of_few_values"], len(b["tensors_of_few_values"]))
print(c["silent_channels"], c["unknown_token_share"] > 0.3)
END
echo "-- a channel that is always 0"
npz silent.npz x=f4:40,12:0,1,-2,0.25,3,7,0.125,4,5,6,-7,8
dscompress quantize "$mlp/binary.onnx" --calib silent.npz -o d.onnx --json=d.json 2>&1 > /dev/null | grep warning
grep -o '"silent_channels":[^]]*' d.json
