dscompress help doctor > a && dscompress doctor --help > b && dscompress --help doctor > c
cmp a b && cmp b c && cat a
