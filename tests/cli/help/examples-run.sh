# Every example of every verb's help runs; the manual page has the same ones
. "$SOURCE/tests/cli/documents.sh"
make_files
for verb in $(dscompress help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    dscompress help "$verb" | sed -n '/^Examples/,$p' | sed 1d > examples
    dscompress help --man "$verb" | sed -n '/^.SH EXAMPLES/,/^.fi/p' | sed '/^\./d; s/\\-/-/g' > page
    sed 's/^  //' examples | diff - page || echo "$verb: the page has others"
    lines_of examples >> all
done
run_lines < all
[ "$n" -eq "$(wc -l < all)" ] && [ "$n" -gt 20 ] && echo "all run"
