. "$SOURCE/tests/cli/tiny.sh"
dscompress eval "$encoder" --data "$messages" --positive spam
