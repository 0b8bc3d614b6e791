# without the assets the demo says so and takes the bundled model
make --no-print-directory -n -C "$SOURCE/examples/sms-fraud" OUT="$PWD/out" DSCOMPRESS=dscompress ASSETS=/nonexistent
