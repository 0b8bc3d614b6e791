dscompress doctor --jsn
