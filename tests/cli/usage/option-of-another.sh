dscompress doctor --man
