# The command lines of README.md run, as they stand there
. "$SOURCE/tests/cli/documents.sh"
make_files
lines_of "$SOURCE/README.md" | sed 's/\$@/model.int8.onnx/' > all
run_lines < all
[ "$n" -eq "$(wc -l < all)" ] && [ "$n" -ge 5 ] && echo "all run"
