# a clean stop: the lines so far are there, and the exit status tells the signal
. "$SOURCE/tests/cli/signals.sh"
stop_a_stream TERM
