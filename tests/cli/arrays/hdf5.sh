# the same rows as binary.npz, by path, with a split
dscompress eval "$MODELS/mlp/binary.onnx" --data "$MODELS/mlp/binary.h5" --columns x=rows/x,label=rows/label \
    --split 80/10/10 --part dev -j 1 | grep -v examples > h5 &&
    dscompress eval "$MODELS/mlp/binary.onnx" --data "$MODELS/mlp/binary.npz" --split 80/10/10 --part dev -j 1 |
    grep -v examples > npz && cmp h5 npz && grep accuracy h5 &&
    dscompress quantize "$MODELS/mlp/binary.onnx" --calib - --columns x=rows/x,label=rows/label -j 1 -q -o q.onnx \
        < "$MODELS/mlp/binary.h5" && ls -A
