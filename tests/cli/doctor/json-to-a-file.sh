dscompress doctor --json=r.json | grep "^level" && dscompress doctor --json=r.json > /dev/null
grep -c "dscompress.doctor/1" r.json; ls -A
