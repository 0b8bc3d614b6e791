dscompress help
