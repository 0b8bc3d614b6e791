. "$SOURCE/tests/cli/mlp.sh"
# without a tokenizer and without data a file is verified on drawn rows
dscompress quantize "$MODELS/torch/tiny_bert_ts.onnx" -q --method dynamic -o q.onnx
