. "$SOURCE/tests/cli/tiny.sh"
dscompress train "$encoder" --train nothing.tsv --positive spam -o m.onnx --json 2> /dev/null > r.json
code=$?
python3 - <<"END"
import json
print(json.load(open("r.json"))["error"]["class"])
END
exit $code
