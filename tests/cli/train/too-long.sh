. "$SOURCE/tests/cli/tiny.sh"
python3 - > long.tsv <<"END"
print("text\tlabel")
print("word " * 700 + "\tham")
print("hi there\tspam")
END
dscompress train "$encoder" --train long.tsv --positive spam --max-length 600 -q -o m.onnx
