# the expression names the layers that are left out, whole, and no others
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib "$messages" --smooth 0 --bias-correction off --granularity tensor --observer percentile:55 -o q.onnx > /dev/null || exit 99
dscompress diagnose m.onnx q.onnx -q --data "$messages" --find-excludes --max-drop log-loss=0.001 --json=d.json -j 1 > a || exit
dscompress diagnose m.onnx q.onnx -q --data "$messages" --find-excludes --max-drop log-loss=0.001 --json=e.json -j 3 > b || exit
cmp a b && cmp d.json e.json && echo "same bytes"
python3 - <<"END"
import json, re
d = json.load(open("d.json"))
out, regex = d["excludes"]["layers"], d["excludes"]["exclude"]
others = [l["name"] for l in d["layers"] if l["is_quantized"] and l["name"] not in out]
print(len(out) > 0, len(others) > 0, all(re.search(regex, n) for n in out),
      not any(re.search(regex, x) for n in out for x in ("x" + n, n + "x", n.replace(".", "x"))
              if x != n), not any(re.search(regex, n) for n in others))
END
