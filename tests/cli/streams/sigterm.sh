# a clean stop: the lines so far are there, and the exit status tells the signal
command -v timeout > /dev/null || { echo "timeout is missing"; exit 77; }
(echo "free prize"; sleep 1) | timeout --preserve-status -s TERM 0.5 dscompress tokenize "$MODELS/hf/bert/base"
