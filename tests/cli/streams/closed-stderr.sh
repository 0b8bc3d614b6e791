dscompress nothing 2>&-
