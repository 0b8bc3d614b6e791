# --smooth auto says which alpha each activation has; what is no alpha is refused
. "$SOURCE/tests/cli/mlp.sh"
m=$mlp/classes.onnx
dscompress quantize "$m" -q --calib "$mlp/classes.npz" --smooth auto -o auto.onnx --json=auto.json > /dev/null || exit
python3 - <<"END"
import json
j = json.load(open("auto.json"))
print(j["smoothed"], [a["name"] for a in j["alphas"]], all(0.5 <= a["alpha"] <= 1 for a in j["alphas"]))
END
for a in 1.5 -1 x "" auto0; do
    dscompress quantize "$m" -q --calib "$mlp/classes.npz" --smooth "$a" -o no.onnx
    echo $?
done
