dscompress doctor -j two
