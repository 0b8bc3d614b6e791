# --json=FILE on a full device, and through a device: it is written, not replaced
[ -e /dev/full ] || { echo "no /dev/full"; exit 77; }
ls -l /dev/full /dev/null > before
dscompress doctor --json=/dev/stdout | grep -c '"schema":"dscompress.doctor/1"'
dscompress doctor --json=/dev/null > /dev/null || exit 1
dscompress doctor --json=/dev/full > /dev/null
code=$?
ls -l /dev/full /dev/null | diff - before
exit $code
