# the same bytes again; onto a graph as the PyTorch file goes there
dscompress export "$MODELS/hdf5/types.h5" --target hdf5 -o one.h5 &&
    dscompress export one.h5 --target hdf5 -o two.h5 && cmp one.h5 two.h5 &&
    dscompress inspect --diff "$MODELS/hdf5/types.h5" one.h5 &&
    dscompress export "$MODELS/pt/nested.pt" --target hdf5 -o w.h5 &&
    dscompress export w.h5 --arch "$MODELS/pt/net.onnx" -o h5.onnx &&
    dscompress export "$MODELS/pt/nested.pt" --arch "$MODELS/pt/net.onnx" -o pt.onnx &&
    dscompress inspect --diff pt.onnx h5.onnx && ls -A
