dscompress doctor --progress q
