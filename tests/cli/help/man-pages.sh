# every page is clean troff
command -v groff > /dev/null || { echo "groff is missing"; exit 77; }
dscompress help --man > dscompress.1
for verb in $(dscompress help | sed -n "/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p"); do
    dscompress help --man $verb > $verb.1
done
[ -s doctor.1 ] || exit 1
for page in *.1; do
    groff -man -Tutf8 -ww -z "$page" 2>&1
done
