# a plan is applied with the ranges of the rows that it was made with: --plan gives what the choice itself wrote;
# with other rows, or a plan that does not say, all are observed
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
q() { dscompress quantize m.onnx -q --calib "$messages" "$@" > /dev/null || exit; }
says() { dscompress eval "$1.onnx" -q --data "$messages" --predictions "$1.jsonl" > /dev/null || exit; }
q --target-size 86% --save-plan p.json -o chosen.onnx
q --plan p.json -o again.onnx
q --plan p.json --calib-rows 20 -o few.onnx
python3 - <<"END"
import json
p = json.load(open("p.json"))
print(len(p["calib"]), p["calib_rows"], p["held_out"])
for k in ("calib", "calib_rows", "held_out"):
    del p[k]
json.dump(p, open("bare.json", "w"))
END
q --plan bare.json -o bare.onnx
for f in chosen again few bare; do says $f; done
for f in again few bare; do
    cmp -s chosen.jsonl $f.jsonl && echo "$f: the same" || echo "$f: other ranges"
done
