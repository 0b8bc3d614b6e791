dscompress help dcotor
