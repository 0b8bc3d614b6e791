dscompress doctor --json=/dev/full/x > /dev/null
