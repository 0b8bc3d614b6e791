# rows without labels teach what the teacher says of them: with labels left out it is as if they had some
. "$SOURCE/tests/cli/tiny.sh"
train teacher.onnx > /dev/null || exit 99
head -n 21 "$messages" > few.tsv
(head -n 1 "$messages"; tail -n +22 "$messages") > rest.tsv
cut -f 1 rest.tsv > texts.tsv
(cat few.tsv; tail -n +2 rest.tsv) > all.tsv
distill() { dscompress distill "$encoder" --teacher teacher.onnx --epochs 2 --max-length 32 --lr 3e-3 -q "$@" > /dev/null || exit; }
head -n 1 texts.tsv | tr '\t' '|'
distill --train few.tsv --alpha 1 --unlabeled texts.tsv -o texts.onnx
distill --train few.tsv --alpha 1 --unlabeled rest.tsv -j 1 -o ignored.onnx
distill --train all.tsv --alpha 1 -j 3 -o labelled.onnx
weights() { dscompress export "$1" --target safetensors -q -f -o w.safetensors > /dev/null && tail -c 20000 w.safetensors | sha256sum; }
[ "$(weights texts.onnx)" = "$(weights labelled.onnx)" ] && [ "$(weights ignored.onnx)" = "$(weights labelled.onnx)" ] && echo the same weights
distill --train few.tsv --unlabeled texts.tsv -o live.onnx
distill --train few.tsv --unlabeled texts.tsv --teacher-cache t.cache -o first.onnx
distill --train few.tsv --unlabeled texts.tsv --teacher-cache t.cache -o second.onnx
cmp live.onnx first.onnx && cmp first.onnx second.onnx && echo the same bytes
[ "$(weights live.onnx)" = "$(weights labelled.onnx)" ] && echo labels had no part
dscompress distill "$encoder" --teacher teacher.onnx --train few.tsv --teacher-cache t.cache -q -o x.onnx
dscompress distill "$encoder" --teacher teacher.onnx --train few.tsv --unlabeled texts.tsv --split 70/10/20 --positive spam -n -q -o x.onnx > /dev/null || exit
dscompress distill "$encoder" --teacher teacher.onnx --train few.tsv --unlabeled "$MODELS/mlp/values.npz" --positive spam -q -o x.onnx
grep -ao '"unlabeled":"[0-9a-f]*"' live.onnx | sed "s/$(sha256sum < texts.tsv | cut -d' ' -f1)/sha256/"
