dscompress doctor -j 7 --json
