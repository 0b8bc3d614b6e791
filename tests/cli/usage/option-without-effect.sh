dscompress help -j 1 2>/dev/null && exit 0
dscompress completion --man bash
