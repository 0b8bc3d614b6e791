dscompress doctor --json | python3 -c "
import json, sys
d = json.load(sys.stdin)
assert d[\"schema\"] == \"dscompress.doctor/1\"
assert d[\"blas\"][\"wrong\"] == 0 and d[\"pass\"] is True
assert d[\"memory_bytes\"] > 2 ** 20
"
