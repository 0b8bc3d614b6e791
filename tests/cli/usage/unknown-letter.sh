dscompress doctor -qZ
