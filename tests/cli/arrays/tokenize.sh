. "$SOURCE/tests/cli/mlp.sh"
dscompress tokenize "$MODELS/hf/sentence-mean" --data "$mlp/binary.npz"
