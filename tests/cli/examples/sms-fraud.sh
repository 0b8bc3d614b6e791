# the whole chain on the bundled model, then again: nothing is out of date
demo() { make --no-print-directory -C "$SOURCE/examples/sms-fraud" SIZE=small OUT="$PWD/out" DSCOMPRESS=dscompress "$@"; }
demo 2> log || { cat log >&2; exit 1; }
demo > again 2> log
grep -q 'dscompress ' again && echo "the second run built something"
exit 0
