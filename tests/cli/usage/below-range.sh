dscompress doctor -j 0
