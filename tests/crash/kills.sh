#!/bin/sh
# kill -9 at random moments of a training run with --state: kills.sh PROGRAM MODELS N
# Every tenth kill the run goes on to its end, which has to be the bytes of the uninterrupted one.
# SEED (1) draws the moments. Prints TAP.
program=$1 models=$2 n=$3
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
{
    echo "text	label"
    for i in $(seq 60); do
        echo "claim your free prize now $i	1"
        echo "see you at home later $i	0"
    done
} > rows.tsv
# by exec, so that a run in the background has the number of the shell that started it
run() {
    exec "$program" train "$models/hf/bert/base" --train rows.tsv --epochs 60 --batch 4 --lr 1e-3 --seed 3 \
        -q --progress none -j 1 "$@" > out 2>&1
}
echo "1..$(((n + 9) / 10))"
start=$(date +%s%N)
(run -o whole.onnx) || { cat out; exit 1; }
ms=$((($(date +%s%N) - start) / 1000000))
# moments in milliseconds, from nothing to a fifth more than a tenth of the run
moments=$(awk -v n="$n" -v ms="$ms" -v seed="${SEED:-1}" \
    'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "%d\n", rand() * ms * 0.12 + 1 }')
k=0 n_killed=0 failed=0
for moment in $moments; do
    run --state state -o killed.onnx -f &
    pid=$!
    sleep "$(printf '0.%03d' "$((moment % 1000))")"
    kill -9 $pid 2> /dev/null && n_killed=$((n_killed + 1))
    wait $pid 2> /dev/null
    k=$((k + 1))
    [ $((k % 10)) -eq 0 ] || [ $k -eq "$n" ] || continue
    if (run --state state -o killed.onnx -f) && cmp -s whole.onnx killed.onnx; then
        echo "ok $(((k + 9) / 10)) - the bytes of the uninterrupted run after $k kills"
    else
        echo "not ok $(((k + 9) / 10)) - after $k kills: $(tail -n 1 out)"
        failed=1
    fi
    rm -rf state killed.onnx
done
echo "# $n_killed of $n runs were killed, of $ms ms without a kill"
exit $failed
