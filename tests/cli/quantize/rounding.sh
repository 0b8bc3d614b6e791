# GPTQ on what the layers read loses less than rounding to the nearest; without rows it is refused
. "$SOURCE/tests/cli/mlp.sh"
fixed="--smooth 0.95 --bias-correction off"
for how in nearest gptq; do
    dscompress quantize "$mlp/classes.onnx" -q --calib "$mlp/classes.npz" $fixed --rounding $how -o $how.onnx --json=q.json > /dev/null || exit
    grep -o '"rounding":"[a-z]*"' q.json
    dscompress diagnose "$mlp/classes.onnx" $how.onnx -q --data "$mlp/classes.npz" --json=$how.json > /dev/null || exit
done
dscompress quantize "$mlp/classes.onnx" -q --calib "$mlp/classes.npz" $fixed -o default.onnx > /dev/null || exit
cmp gptq.onnx default.onnx || exit
python3 - <<"END"
import json
nearest, gptq = (json.load(open(f"{x}.json")) for x in ("nearest", "gptq"))
own = [(x["name"], x["own_sqnr_db"], y["own_sqnr_db"]) for x, y in zip(nearest["layers"], gptq["layers"])
       if x["is_quantized"] and "Gemm" in x["name"]]
print([name for name, a, b in own if b > a + 0.3], gptq["logit_rmse"] < nearest["logit_rmse"])
END
npz zero.npz x=f4:40,12:0 || exit 99
dscompress quantize "$mlp/binary.onnx" --calib zero.npz --smooth 0 -o zero.onnx 2>&1 > /dev/null | grep -c "is rounded to the nearest: its input is 0 everywhere"
