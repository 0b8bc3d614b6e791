# the opset is raised when that is asked for, and never lowered
. "$SOURCE/tests/cli/tiny.sh"
dscompress export "$encoder" -o same.onnx --opset 20 2> err || exit
grep -c "opset raised" err
dscompress export "$encoder" -v -o raised.onnx --opset 21 2> err || exit
grep -o "opset raised.*" err
dscompress export "$encoder" -o lowered.onnx --opset 13 2> err
echo $?
grep -o "the model is opset.*UNSUPPORTED" err
dscompress export "$encoder" -o folder/ --opset 21 2> err
echo $?
grep -o 'USAGE' err
ls -d lowered.onnx folder 2> /dev/null
true
