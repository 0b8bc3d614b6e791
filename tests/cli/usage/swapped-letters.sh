dscompress doctor --thraeds 2
