# the chain of the large encoder on two bundled ones, two seeds
make --no-print-directory -C "$SOURCE/examples/encoder-110m" SET=small OUT="$PWD/out" DSCOMPRESS=dscompress SEEDS='1 2' 2> log ||
    { cat log >&2; exit 1; }
