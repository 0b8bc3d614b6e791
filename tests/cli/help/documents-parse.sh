# The command lines of docs/ name verbs and options that are there: --help is answered after them
. "$SOURCE/tests/cli/documents.sh"
lines_of $(find "$SOURCE/docs" "$SOURCE/examples" -name '*.md') > all
[ -s all ] || echo "there are no lines"
n=0
while IFS= read -r line; do
    A=assets sh -c "${line%% > *} --help" > out 2> err && grep -q '^Usage: dscompress ' out && n=$((n + 1)) ||
        { echo "$line"; cat err; }
done < all
[ $n -eq "$(wc -l < all)" ] && echo "all parse"
