# With --choose --smooth, --bias-correction and, here, --equalize are tried on every fifth row; the file is the one that
# the chosen options give. What is given is not tried.
. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/classes.onnx
data=$mlp/classes.npz
dscompress quantize "$m" -q --choose on --calib "$data" -o default.onnx --json=j.json | sed 's/ *$//' | grep -e '^o.* of ' -e '^tried' |
    sed 's/  [0-9.]*  *[0-9]* of 60.*/  DB  N of 60/'
python3 - <<"END"
import json
j = json.load(open("j.json"))
c = j["candidates"]
print(j["held_out_rows"], [x["name"] for x in c], [sorted(x) for x in c][0], sum(x["chosen"] for x in c))
print(all(0 < x["score"] < 0.01 for x in c), min(c, key=lambda x: x["score"])["chosen"])
open("chosen", "w").write(next(x["name"] for x in c if x["chosen"]))
END
dscompress quantize "$m" -q --calib "$data" $(cat chosen) -o named.onnx > out || exit
grep -c tried out
# but for the same provenance there is no difference
cmp default.onnx named.onnx && echo same bytes
echo "-- one is given"
names() {
    dscompress quantize "$m" -q -f --choose on --calib "$data" "$@" -o x.onnx --json=x.json > /dev/null || exit
    python3 -c 'import json; print([c["name"] for c in json.load(open("x.json"))["candidates"]])'
}
names --smooth 0.8
names --bias-correction on --equalize off
echo "-- the best is taken, which may be any"
for how in "--granularity tensor --observer percentile:95" "--smooth 0.95 --rounding nearest --observer minmax"; do
    dscompress quantize "$m" -q -f --choose on --calib "$data" $how -o x.onnx --json=x.json > /dev/null || exit
    python3 -c 'import json; c = json.load(open("x.json"))["candidates"]; print(min(c, key=lambda x: x["score"])["chosen"])'
done
echo "-- few rows"
npz few.npz x=f4:19,10:0.5,1,-2,0.25,3,7,0.125 kind=i8:19:1,2,3 || exit 99
dscompress quantize "$m" -q --choose on --calib few.npz -o few.onnx
echo $?
dscompress quantize "$m" -q --choose on --calib "$data" --smooth 0.9 --bias-correction off --equalize off -o few.onnx
echo $?
dscompress quantize "$m" -q --calib "$data" -o plain.onnx --json=plain.json > /dev/null || exit
grep -c candidates plain.json || true
echo "-- unasked from 500 rows on"
npz many.npz x=f4:500,10:0.5,1,-2,0.25,3,7,0.125 kind=i8:500:1,2,3 || exit 99
for how in "" "--choose off" "--calib-rows 499" "--smooth 0.95 --equalize off"; do
    dscompress quantize "$m" -q -f --calib many.npz $how -o x.onnx --json=x.json > /dev/null || exit
    grep -c candidates x.json || true
done
# of biases where the weights are not rounded by data
for how in gptq nearest; do
    dscompress quantize "$m" -q -f --calib many.npz --rounding $how --equalize off -o x.onnx --json=x.json > /dev/null || exit
    python3 -c 'import json; print([c["name"] for c in json.load(open("x.json"))["candidates"]])'
done
dscompress quantize "$m" -q --calib "$data" --choose on --method dynamic -o y.onnx
