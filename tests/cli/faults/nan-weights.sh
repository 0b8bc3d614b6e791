# One NaN in a bias: no verb hands such a model on, and none takes its numbers for a measurement
model=$MODELS/hf/bert/cls
cp -r "$model" nan
chmod -R u+w nan
n=$(od -An -t u8 -N8 nan/model.safetensors)
printf '\0\0\300\177' | dd of=nan/model.safetensors bs=1 seek=$((8 + n)) conv=notrunc 2> /dev/null
echo "text	label" > rows.tsv
for i in $(seq 20); do echo "free $i	ham"; echo "now $i	spam"; done >> rows.tsv
try() {
    want=$1
    shift
    dscompress "$@" -q > out 2> err
    code=$?
    [ $code -eq "$want" ] && [ "$(grep -c '^dscompress: error: .*\[NONFINITE\]$' err)" -eq 1 ] ||
        { echo "$*: exit status $code"; cat err; }
}
try 65 eval nan --data rows.tsv --predictions p.jsonl
try 65 calibrate nan --data rows.tsv -o a.ranges
try 65 quantize nan --calib rows.tsv -o x.onnx
try 65 quantize nan --method dynamic -o x.onnx
try 65 quantize nan --method qat --train rows.tsv --epochs 1 -o x.onnx
try 70 train nan --train rows.tsv --epochs 1 -o x.onnx
try 65 gate nan --baseline "$model" --data rows.tsv --max-drop accuracy=1 --junit x.xml
try 65 gate "$model" --baseline nan --data rows.tsv --max-drop accuracy=1 --junit x.xml
try 65 export nan -o x.onnx
try 65 export nan --target safetensors -o x.safetensors
try 65 export nan --verify rows.tsv -o x.onnx
rm out err
ls -A
