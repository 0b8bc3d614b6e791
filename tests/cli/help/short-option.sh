dscompress -h
