echo hello > m.txt; dscompress inspect m.txt
