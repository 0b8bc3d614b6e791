# w4a8 and w8a16: static and learned, trained further, run, refused where there are no kernels
. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
for s in w4a8 w8a16; do
    dscompress quantize m.onnx --scheme $s --calib "$messages" -q -o $s.onnx --json=$s.json > /dev/null || exit 99
    dscompress quantize m.onnx --scheme $s --method qat --train "$messages" --epochs 1 -q -o qat-$s.onnx > /dev/null || exit 99
    dscompress train qat-$s.onnx --train "$messages" --epochs 1 -q -o more-$s.onnx > /dev/null || exit 99
    for f in $s qat-$s more-$s; do
        dscompress inspect $f.onnx --tensors --json=t.json > /dev/null || exit 99
        dscompress eval $f.onnx --data "$messages" --json=e.json > /dev/null || exit 99
        python3 - $f <<"END"
import collections, json, sys
t = collections.Counter(x["dtype"] for x in json.load(open("t.json"))["tensors"] if x["name"].endswith("_quantized"))
e = json.load(open("e.json"))
print(sys.argv[1], dict(sorted(t.items())), "integer products" if e["int_products"] else "float products")
END
    done
    dscompress quantize m.onnx --scheme $s --calib "$messages" --target tensorrt -q -o t.onnx
    echo $?
done
ls t.onnx 2> /dev/null
dscompress quantize m.onnx --method dynamic --scheme w4a8 -o t.onnx
