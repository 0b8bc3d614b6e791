dscompress doctor --threads
