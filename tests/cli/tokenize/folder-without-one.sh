mkdir m; dscompress tokenize m < /dev/null
