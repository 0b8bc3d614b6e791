# what each option makes of layers and tables, and that diagnose sees all of them
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
form() {
    dscompress quantize m.onnx --method weight-only -q -f -o q.onnx --json=q.json "$@" > /dev/null || exit 99
    python3 - "$@" <<"END"
import json, sys
from collections import Counter
t = [x for x in json.load(open("q.json"))["tensors"] if x["dtype_out"] != "f32" or "embeddings.weight" in x["name"]]
kinds = Counter(("table" if "embeddings." in x["name"] else "layer") + " " + x["dtype_out"] + " " +
                x.get("granularity", "") for x in t)
print(" ".join(sys.argv[1:]) + ":", ", ".join(f"{n} {k.strip()}" for k, n in sorted(kinds.items())))
END
    dscompress diagnose m.onnx q.onnx -q --data "$messages" --limit 8 | sed -n 's/^\([0-9]* quantized\).*/  \1/p'
}
form --scheme w8
form --scheme w4
form --scheme w4 --symmetric weights
form --scheme w4 --granularity channel
form --scheme w4 --granularity group:16 --embeddings w4
form --scheme w4 --embeddings float
form --scheme w4 --target ort
form --scheme w8 --granularity group:16 --target ort --embeddings float
