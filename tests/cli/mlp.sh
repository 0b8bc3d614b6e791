# Read by scripts: models on tables and their rows, from tests/golden/mlp.
mlp=$MODELS/mlp
npz() {
    python3 "$SOURCE/tests/cli/make-npz" "$@"
}
