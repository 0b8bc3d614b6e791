dscompress help nothing --color always 2> err; code=$?; od -c err | head -n 3; exit $code
