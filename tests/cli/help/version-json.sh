dscompress --version --json
