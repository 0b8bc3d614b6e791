. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit 99
train n.onnx --seed 7 > /dev/null || exit 99
try() { dscompress quantize m.onnx -q --calib "$messages" --plan "$1" -o q.onnx > out; echo $?; }
dscompress quantize n.onnx -q --calib "$messages" --target-size 80% --save-plan n.json > /dev/null || exit 99
try n.json
dscompress quantize m.onnx -q --calib "$messages" --target-size 80% --save-plan m.json > /dev/null || exit 99
sed 's/"w8a8"/"w3a3"/' m.json > w3.json
try w3.json
sed 's/"name":"[^"]*"/"name":"nobody"/' m.json > nobody.json
try nobody.json
sed 's/\(.*\),{[^}]*}/\1/' m.json > less.json
try less.json
rm q.onnx
echo '{"schema":"dscompress.plan/1",' > cut.json
try cut.json
sed 's/plan.1/plan\/2/' m.json > later.json
try later.json
try nothing.json
[ ! -e q.onnx ]
