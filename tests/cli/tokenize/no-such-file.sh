dscompress tokenize nothing.json < /dev/null
