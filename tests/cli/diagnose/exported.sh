# a model that others exported: quantize brings MatMul and Add together, and each layer is found
python3 - "$SOURCE/examples/sms-fraud/small/messages.tsv" > three.tsv <<"END"
import sys
print("text\tlabel")
for line in open(sys.argv[1]).read().splitlines()[1:121]:
    print(line.split("\t")[0] + "\t" + str(len(line) % 3))
END
dscompress train "$MODELS/torch/fresh_bert_ts.onnx" --tokenizer "$MODELS/hf/sentence-mean/vocab.txt" \
    --train three.tsv --epochs 1 --max-length 6 -q -o m.onnx > /dev/null || exit 99
dscompress quantize m.onnx -q --calib three.tsv -o q.onnx --json=q.json > /dev/null || exit 99
dscompress diagnose m.onnx q.onnx -q --data three.tsv --json=d.json | grep -o '^[0-9]* quantized'
python3 - <<"END"
import json
weights = [t for t in json.load(open("q.json"))["tensors"] if t["dtype_out"] == "i8"]
layers = [l for l in json.load(open("d.json"))["layers"] if l["is_quantized"]]
print(len(layers) == len(weights), sum(l["name"].endswith("/gemm") for l in layers))
END
