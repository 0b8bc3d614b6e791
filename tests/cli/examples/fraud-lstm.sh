# from a table of 400 made-up rows to three smaller models
make --no-print-directory -C "$SOURCE/examples/fraud-lstm" SIZE=small OUT="$PWD/out" DSCOMPRESS=dscompress 2> log ||
    { cat log >&2; exit 1; }
