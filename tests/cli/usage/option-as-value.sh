dscompress doctor --threads --json
