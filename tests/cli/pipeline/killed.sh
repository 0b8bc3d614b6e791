# SIGTERM ends the stage, which saves; kill -9 loses nothing that was done; the next run goes on from there and its
# files are those of an uninterrupted one
. "$SOURCE/tests/cli/signals.sh"
. "$SOURCE/tests/cli/tiny.sh"
cat > r.yaml <<END
stages:
- train:
    args: [$encoder]
    train: $messages
    epochs: 12
    max-length: 32
    positive: spam
    output: a.onnx
- quantize: {method: dynamic, output: b.onnx}
END
p="dscompress pipeline r.yaml --progress none -q"
$p > /dev/null || exit
mv a.onnx whole.onnx
mv b.onnx whole8.onnx
$p --state st > /dev/null &
pid=$!
until ls st/train-*/metrics.jsonl > found 2> /dev/null; do sleep 0.05; done
kill -TERM $pid
wait $pid
echo $?
ls st/train-*/*.safetensors | wc -l | sed 's/[1-9][0-9]*/saved/'
ls a.onnx 2> /dev/null
$p --state st > /dev/null &
pid=$!
sleep 0.3
kill -9 $pid
wait $pid 2> /dev/null
until flock st/train-*/lock true; do sleep 0.1; done # what it had started goes on, or is done
$p --state st > /dev/null && cmp a.onnx whole.onnx && cmp b.onnx whole8.onnx && echo same bytes
