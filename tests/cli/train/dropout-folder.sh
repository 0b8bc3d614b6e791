# a Hugging Face folder has places of its own: all of them get the rate, and none is written
. "$SOURCE/tests/cli/tiny.sh"
dscompress train "$MODELS/hf/bert/cls" --train "$messages" --split 70/10/20 --positive spam --epochs 1 --max-length 16 --dropout 0.2 -v -o m/ 2> log
cat log
ls m
