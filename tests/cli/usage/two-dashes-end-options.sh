dscompress doctor -- --json
