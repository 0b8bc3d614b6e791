# A sound model whose tensor has more elements than 63 bits can count
dscompress run "$MODELS/bad/overflows.onnx" --inputs "$MODELS/onnx/dense.in.npz" -o out.npz
code=$?
ls -A
exit $code
