dscompress doctor -j 2x
