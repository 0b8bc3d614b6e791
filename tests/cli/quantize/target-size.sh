. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
quantize() { dscompress quantize m.onnx -q --calib "$messages" "$@"; }
quantize --sensitivity=t.json --target-size 80% --save-plan p.json -o q.onnx --json=r.json > /dev/null || exit
python3 - <<"END"
import json, os
d, p = json.load(open("r.json")), json.load(open("p.json"))
f = [x["format"] for x in p["layers"]]
print(p["schema"], "float" in f, "w8a8" in f, os.path.getsize("q.onnx") <= 0.8 * os.path.getsize("m.onnx"),
      d["plan"]["layers"] == p["layers"], d["size_bytes"] <= d["plan"]["estimated_bytes"])
END
quantize --plan p.json -o r.onnx > /dev/null || exit
# what all layers quantized have can be asked for; the options are noted in some bytes more. Layers too small to gain
# by it stay float, so that a little less can be had, too
quantize --rounding nearest -o all.onnx > /dev/null || exit
quantize --target-size $(($(stat -c %s all.onnx) + 500)) -o least.onnx > /dev/null || exit
test $(stat -c %s least.onnx) -le $(($(stat -c %s all.onnx) + 500)) && echo as small as all of them
quantize --target-size $(($(stat -c %s all.onnx) - 6000)) -o t.onnx > /dev/null 2> less.txt && exit 98
grep -c 'are asked for\|cannot be made' less.txt
ls t.onnx 2> /dev/null
dscompress inspect --diff q.onnx r.onnx | grep -i "initializer\|tensor" | head -n 3
dscompress diagnose m.onnx r.onnx -q --data "$messages" | grep -o '^[0-9]* quantized'
quantize --sensitivity=t.json --target-size 10% -o s.onnx > /dev/null
code=$?
ls s.onnx 2> /dev/null
exit $code
