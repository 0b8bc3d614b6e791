dscompress doctor
