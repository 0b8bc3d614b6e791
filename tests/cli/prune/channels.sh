# channels of convolutions go; the smaller model is trained, quantized and run as any other
rows=$MODELS/torch/conv.in.npz
dscompress prune "$MODELS/torch/conv_ts.onnx" --pattern channels --sparsity 0.5 -o p.onnx 2>&1 | sed 's/[0-9.]* MB/N MB/' || exit
dscompress prune "$MODELS/torch/conv_ts.onnx" --pattern channels --sparsity 0.5 -j 2 -q -o again.onnx > /dev/null && cmp p.onnx again.onnx && echo "same bytes"
dscompress prune "$MODELS/torch/conv_ts.onnx" --pattern channels --sparsity 0.5 --importance taylor --train "$rows" --epochs 1 -q -o t.onnx > /dev/null && echo "taylor ran"
dscompress quantize t.onnx --calib "$rows" --smooth 0 -q -o q.onnx > /dev/null || exit
dscompress inspect q.onnx --json | python3 -c '
import json, sys
print({k: v for k, v in json.load(sys.stdin)["ops"].items() if "Linear" in k or "Conv" in k})'
dscompress quantize t.onnx --method qat --train "$rows" --epochs 1 -q -o qat.onnx > /dev/null && echo "qat ran"
dscompress bench q.onnx --batch 1 > /dev/null && echo "bench ran"
dscompress prune "$MODELS/torch/mlp_ts.onnx" --pattern channels --sparsity 0.5 -o n.onnx
echo "exit $?"
