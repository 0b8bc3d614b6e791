# A sound model that asks for 512 TiB, more than any address space
dscompress run "$MODELS/bad/fills-memory.onnx" --inputs "$MODELS/onnx/dense.in.npz" -o out.npz
code=$?
ls -A
exit $code
