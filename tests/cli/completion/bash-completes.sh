command -v bash > /dev/null || { echo "bash is missing"; exit 77; }
dscompress completion bash > d.bash
cat > try.bash <<"END"
. ./d.bash
try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _dscompress; echo "${COMPREPLY[*]}"; }
try dscompress doc
try dscompress doctor --thr
try dscompress doctor --progress pl
try dscompress doctor --progress = js
try dscompress help compl
END
bash try.bash
