dscompress -j 1 --quiet doctor
