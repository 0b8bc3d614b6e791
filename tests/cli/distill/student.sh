# a student made of its teacher: what it takes over still says what the teacher says
. "$SOURCE/tests/cli/tiny.sh"
train teacher.onnx > /dev/null || exit 99
distill() { dscompress distill --teacher teacher.onnx --train "$messages" --epochs 1 --lr 3e-3 -f "$@"; }
first() { distill --alpha 1 --dropout 0 -n -q -o x.onnx "$@" | grep -o 'loss [0-9.]*'; }
echo "all layers: $(first --student-spec layers=2)"
echo "unused tokens: $(first --student-spec vocab=96)"
echo "all terms: $(first --student-spec layers=2,vocab=96 --term hidden --term relation)"
[ "$(first --student-spec layers=1)" = 'loss 0.0000' ] && echo "a layer less is the same"
distill --student-spec layers=1,heads=2,ffn=24,vocab=80 --term hidden -o s.onnx -j 1 --json=s.json 2> log > /dev/null || exit
grep -o 'layer 1 is the.*\|[0-9]* of 97 tokens.*\|the student has.*' log
distill --student-spec layers=1,heads=2,ffn=24,vocab=80 --term hidden -o t.onnx -j 3 -q > /dev/null || exit
cmp s.onnx t.onnx && echo the same bytes
grep -o '"params_[a-z]*":[0-9]*' s.json
dscompress inspect s.onnx --tensors | grep -o 'layer.1.*dense.weight *f32.*\]\|word_embeddings.weight *f32.*\]' | tr -s ' '
first --student-spec layers=2,embedding=31 | cut -c 1-9
first --student-spec hidden=31 | cut -c 1-9
distill --student-spec layers=2,hidden=16,heads=2,head-size=4,ffn=24,vocab=80,embedding=8 --term hidden -q -o n.onnx > /dev/null || exit
dscompress inspect n.onnx --tensors | grep -o 'layer.1.*dense.weight *f32.*\]\|word_embeddings.weight.* f32.*\]\|layer.1.*query.weight *f32.*\]' | tr -s ' '
dscompress eval s.onnx --data "$messages" -q > /dev/null || exit
distill --student-spec layers=1,ffn=24 --init random --lr 1e-12 --weight-decay 0 -o r.onnx 2> log > /dev/null || exit
grep -o 'warning.*' log
dscompress inspect r.onnx --tensors='*LayerNorm*' --stats | tr -s ' ' | grep '^[a-z.0-9]*LayerNorm.weight'
dscompress distill teacher.onnx --teacher teacher.onnx --train "$messages" --epochs 1 --term hidden -q -o m.onnx > /dev/null || exit
try() { distill -q -o x.onnx "$@" 2>&1 | head -n 1; }
try
try teacher.onnx --student-spec layers=1
try --student-spec layers=3
try --student-spec heads=9
try --student-spec head-size=9
try --student-spec ffn=0
try --student-spec width=3
try --student-spec vocab=9
try --student-spec embedding=32
try --student-spec hidden=33
try teacher.onnx --init random
dscompress quantize teacher.onnx --calib "$messages" -q -o int8.onnx > /dev/null || exit
dscompress distill --teacher int8.onnx --train "$messages" --student-spec layers=1 -q -o q.onnx 2>&1 | head -n 1
