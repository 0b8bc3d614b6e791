dscompress doctor > /dev/full
