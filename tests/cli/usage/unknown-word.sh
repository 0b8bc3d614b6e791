dscompress doctor --progress plan
