#!/bin/sh
# Print the models of a folder side by side, from the JSON that the verbs wrote: table.sh OUT MODEL..
set -eu
out=$1
shift

# number FILE OBJECT KEY: the KEY that comes first behind "OBJECT" (or in the file, OBJECT "")
number() {
    awk -v object="$2" -v key="$3" '
        { text = text $0 }
        END {
            if (object != "") {
                at = index(text, "\"" object "\":")
                if (at == 0) exit
                text = substr(text, at)
            }
            at = index(text, "\"" key "\":")
            if (at == 0) exit
            text = substr(text, at + length(key) + 3)
            sub(/[,}].*/, "", text)
            print text
        }' "$1"
}

# latency FILE BATCH: the median in milliseconds
latency() {
    awk -v batch="$2" '
        { text = text $0 }
        END {
            at = index(text, "\"batch\":" batch ",")
            if (at == 0) exit
            text = substr(text, at)
            text = substr(text, index(text, "\"p50\":") + 6)
            sub(/[,}].*/, "", text)
            print text
        }' "$1"
}

printf '%-6s %10s %12s %8s   %-16s %9s %9s\n' model params bytes F1 '95 % interval' 'ms, 1' 'ms, 8'
for model; do
    printf '%-6s %10s %12s %8.4f   %.4f .. %.4f %9.2f %9.2f\n' "$model" \
        "$(number "$out/$model.inspect.json" "" params)" \
        "$(number "$out/$model.inspect.json" "" size_bytes)" \
        "$(number "$out/$model.eval.json" f1 value)" \
        "$(number "$out/$model.eval.json" f1 low)" \
        "$(number "$out/$model.eval.json" f1 high)" \
        "$(latency "$out/$model.bench.json" 1)" \
        "$(latency "$out/$model.bench.json" 8)"
done
