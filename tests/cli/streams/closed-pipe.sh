(sleep 0.3; dscompress help; echo $? > code) | true; exit $(cat code)
