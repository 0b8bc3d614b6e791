dscompress help --man
