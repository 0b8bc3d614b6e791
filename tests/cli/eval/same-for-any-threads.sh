. "$SOURCE/tests/cli/tiny.sh"
train m.onnx > /dev/null || exit
for j in 1 2 1; do dscompress eval m.onnx --data "$messages" -j $j --confusion --predictions p.jsonl -f | sed "s/, [0-9.]*\/s.*//" > $j.txt || exit; cat p.jsonl >> $j.txt; cp $j.txt last.txt; done
cmp 1.txt 2.txt && cmp last.txt 2.txt
