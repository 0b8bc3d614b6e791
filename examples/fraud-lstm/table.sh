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
            at = object == "" ? 1 : index(text, object)
            text = at ? substr(text, at) : ""
            at = index(text, "\"" key "\":")
            if (at == 0) exit
            text = substr(text, at + length(key) + 3)
            sub(/[,}].*/, "", text)
            print text
        }' "$1"
}

printf '%-7s %9s %9s %9s %8s   %-16s %8s %8s\n' model params nonzero bytes AUC '95 % interval' 'ms, 1' 'ms, 64'
for model; do
    printf '%-7s %9s %9s %9s %8.4f   %.4f .. %.4f %8.3f %8.3f\n' "$model" \
        "$(number "$out/$model.inspect.json" "" params)" \
        "$(number "$out/$model.inspect.json" "" nonzero)" \
        "$(number "$out/$model.inspect.json" "" size_bytes)" \
        "$(number "$out/$model.eval.json" '"roc-auc":' value)" \
        "$(number "$out/$model.eval.json" '"roc-auc":' low)" \
        "$(number "$out/$model.eval.json" '"roc-auc":' high)" \
        "$(number "$out/$model.bench.json" '"batch":1,' p50)" \
        "$(number "$out/$model.bench.json" '"batch":64,' p50)"
done
