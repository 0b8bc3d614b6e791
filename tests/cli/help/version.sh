dscompress --version
