# Read by scripts: signals sent at a known moment, however slow the machine.

# PID: returns when that process has its handler of SIGTERM (bit 14 of the mask) and a moment to go on
working() {
    while [ -e /proc/"$1"/status ]; do
        mask=$(sed -n 's/^SigCgt:.*\(....\)$/\1/p' /proc/"$1"/status)
        [ $((0x${mask:-0} >> 14 & 1)) -eq 1 ] && break
        sleep 0.05
    done
    sleep 0.4
}

# SIGNAL: stop a tokenize that has read one line and waits for more
stop_a_stream() {
    mkfifo lines
    # a shell starts what it puts in the background with SIGINT ignored
    env --default-signal=INT dscompress tokenize "$MODELS/hf/bert/base" < lines &
    pid=$!
    exec 3> lines
    echo "free prize" >&3
    working $pid
    kill -"$1" $pid
    wait $pid
}
