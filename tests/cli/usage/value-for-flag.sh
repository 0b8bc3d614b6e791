dscompress doctor --quiet=3
