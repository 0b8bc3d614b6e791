# a file of tensors on the graph that they came from, and on a folder without weights
dscompress export "$MODELS/hf/bert/base" -o graph.onnx &&
    mkdir folder && cp "$MODELS/hf/bert/base/config.json" "$MODELS/hf/bert/base/tokenizer.json" folder &&
    dscompress export "$MODELS/hf/bert/base/model.safetensors" --arch folder -o one.onnx &&
    dscompress export "$MODELS/hf/bert/base/model.safetensors" --arch graph.onnx -o two.onnx &&
    dscompress inspect --diff one.onnx two.onnx
