. "$SOURCE/tests/cli/tiny.sh"
cp -r "$encoder" m && chmod -R u+w m && head -c 50000 "$encoder/model.safetensors" > m/model.safetensors
dscompress train m --train "$messages" --positive spam -o m.onnx
code=$?
ls m.onnx 2> /dev/null
exit $code
