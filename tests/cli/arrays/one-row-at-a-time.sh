. "$SOURCE/tests/cli/mlp.sh"
single=$mlp/binary.single.onnx
dscompress train "$single" -q --train "$mlp/binary.npz" --epochs 1 -o t.onnx > /dev/null || exit
dscompress quantize "$single" -q --calib "$mlp/binary.npz" -o s.onnx > /dev/null || exit
dscompress quantize "$single" -q --method dynamic -o d.onnx > /dev/null || exit
dscompress bench s.onnx -q --batch 1 > /dev/null || exit
dscompress gate s.onnx --baseline "$single" --data "$mlp/binary.npz" --max-drop accuracy=0.01 || exit
dscompress train "$single" --train "$mlp/binary.npz" --micro 4 -o u.onnx || dscompress bench s.onnx -q --batch 8
