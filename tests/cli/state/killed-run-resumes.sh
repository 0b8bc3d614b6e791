# kill -9 at several moments; the run that goes on writes the bytes of the uninterrupted one
rows() {
    echo "text	label"
    for i in $(seq 40); do
        echo "claim your free prize now $i	1"
        echo "see you at home later $i	0"
    done
}
rows > rows.tsv
train="dscompress train $MODELS/hf/bert/base --train rows.tsv --epochs 60 --batch 4 --lr 1e-3
    --seed 3 --ema 0.9 -q --progress none"
$train -o whole.onnx > /dev/null || exit
for pause in 0.1 0.15 0.2 0.3; do
    $train --state run -o killed.onnx -f > /dev/null &
    pid=$!
    sleep $pause
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
done
$train --state run -o killed.onnx -f -j 1 > /dev/null || exit
cmp whole.onnx killed.onnx && echo "same bytes"
wc -l < run/metrics.jsonl
head -n 1 run/metrics.csv
# again: nothing is left to do
$train --state run -o again.onnx > /dev/null && cmp whole.onnx again.onnx && echo "same bytes again"
