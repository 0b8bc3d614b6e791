#!/bin/sh
# Print models side by side, from the JSON that the verbs wrote: table.sh OUT METRIC BATCHES MODEL..
# Of a model with seeds (OUT/MODEL.1.eval.json, OUT/MODEL.2.eval.json ..) the mean of the metric over the seeds with
# its standard deviation, of one without its 95 % interval; size and speed are those of the first seed. A model
# without an eval.json has no metric; operations stand there where the first model's inspect.json has them.
set -eu
out=$1 metric=$2 batches=$3
shift 3

# number FILE OBJECT KEY: the KEY that comes first behind OBJECT (or in the file, OBJECT "")
number() {
    awk -v object="$2" -v key="$3" '
        { text = text $0 }
        END {
            at = object == "" ? 1 : index(text, object)
            text = at ? substr(text, at) : ""
            at = index(text, "\"" key "\":")
            if (at == 0) exit
            text = substr(text, at + length(key) + 3)
            sub(/[,}].*/, "", text)
            print text
        }' "$1"
}

# score MODEL: value and how sure it is
score() {
    for f in "$out/$1".eval.json "$out/$1".[0-9]*.eval.json; do
        [ -e "$f" ] || continue
        echo "$(number "$f" "\"$metric\":" value) $(number "$f" "\"$metric\":" low)" \
            "$(number "$f" "\"$metric\":" high)"
    done | awk '
        { n++; x[n] = $1; sum += $1; range = sprintf("%.4f .. %.4f", $2, $3) }
        END {
            if (n == 0) { printf "%8s   %-16s", "-", ""; exit }
            for (i = 1; i <= n; i++) squares += (x[i] - sum / n) ^ 2
            if (n > 1) range = sprintf("+- %.4f (%d)", sqrt(squares / (n - 1)), n)
            printf "%8.4f   %-16s", sum / n, range
        }'
}

# first MODEL: its name, with the first of its seeds where it has some
first() {
    if [ -e "$out/$1.inspect.json" ]; then
        echo "$1"
    else
        (cd "$out" && ls "$1".[0-9]*.inspect.json) | head -n 1 | sed 's/\.inspect\.json$//'
    fi
}

flops=$(number "$out/$(first "$1").inspect.json" "" flops)
[ "$flops" != null ] || flops=
printf '%-8s %10s %10s %10s%s %8s   %-16s' model params nonzero bytes "${flops:+ $(printf %12s flops)}" "$metric" \
    '95 % interval'
for b in $batches; do printf ' %9s' "ms, $b"; done
echo
for model; do
    of=$out/$(first "$model")
    printf '%-8s' "$model"
    for key in params nonzero size_bytes; do printf ' %10s' "$(number "$of.inspect.json" "" $key)"; done
    [ -z "$flops" ] || printf ' %12s' "$(number "$of.inspect.json" "" flops)"
    printf ' %s' "$(score "$model")"
    for b in $batches; do printf ' %9.3f' "$(number "$of.bench.json" "\"batch\":$b," p50)"; done
    echo
done
