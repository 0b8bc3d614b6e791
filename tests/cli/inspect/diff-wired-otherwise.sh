python3 - <<"END"
import os
data = open(os.environ["MODELS"] + "/torch/tiny_bert_ts.onnx", "rb").read()
at = data.index(b"/classifier/Gemm")
open("other.onnx", "wb").write(data[:at] + b"/classifier/gemm" + data[at + 16:])
END
dscompress inspect --diff "$MODELS/torch/tiny_bert_ts.onnx" other.onnx
