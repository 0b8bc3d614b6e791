M="$MODELS/hf/bert/cls"
dscompress bench "$M" --vs "$M" --batch 1,3 --threads 1 --length 8 --profile --json > out.json || exit 1
python3 - <<"END"
import json
d = json.load(open("out.json"))
print(d["schema"])
for r in d["rows"]:
    l = r["latency_ms"]
    ok = 0 < l["p50"] <= l["p90"] <= l["p99"] and l["mean"] > 0 and l["stdev"] >= 0
    same = abs(r["examples_per_s"] * l["p50"] / 1e3 - r["batch"]) < 1e-6
    ratio = abs(r["speedup"] - r["vs"]["latency_ms"]["p50"] / l["p50"]) < 1e-9
    print(r["batch"], r["threads"], r["length"], r["runs"] >= 5, ok, same, ratio, r["peak_rss_bytes"] > 1e6)
print(any(o["name"] == "PackedGemm" for o in d["profile"]), len(d["slowest_nodes"]))
END
