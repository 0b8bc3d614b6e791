# a bar that is missed: make fails, and no verdict is left that a later make would believe
demo() { make --no-print-directory -C "$SOURCE/examples/sms-fraud" SIZE=small OUT="$PWD/out" DSCOMPRESS=dscompress "$@"; }
demo BARS='--max-drop f1=0.05 --max-size 60kB' > log 2>&1
code=$?
cat log
ls out/*.gate.json 2> /dev/null
exit $code
