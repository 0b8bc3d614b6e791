dscompress doctr
