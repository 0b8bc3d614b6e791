. "$SOURCE/tests/cli/mlp.sh"
# the model has 16 positions; attention_mask has the same symbols
dscompress bench "$MODELS/torch/tiny_bert_ts.onnx" -q --batch 2 --shapes input_ids:1x16 > /dev/null || exit
dscompress bench "$MODELS/torch/tiny_bert_ts.onnx" -q --batch 2 --shapes input_ids:1x17
