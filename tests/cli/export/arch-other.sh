dscompress export "$MODELS/pt/script.pt" --arch "$MODELS/onnx/dense.onnx" -o out.onnx
code=$?
[ -e out.onnx ] && echo "an output was left behind"
exit $code
