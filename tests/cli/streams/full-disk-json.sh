dscompress doctor --json > /dev/full
