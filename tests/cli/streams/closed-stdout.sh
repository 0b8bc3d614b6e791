dscompress doctor >&-
