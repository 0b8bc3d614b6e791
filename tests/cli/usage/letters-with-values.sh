dscompress doctor -qj3 | grep "threads: 3"
