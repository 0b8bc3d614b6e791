# a number of a formula is trained when its very name is said, and not by a pattern that finds it
. "$SOURCE/tests/cli/tiny.sh"
. "$SOURCE/tests/cli/fresh.sh"
name=$(dscompress inspect "$MODELS/torch/fresh_bert_ts.onnx" --tensors='*intermediate_act_fn/Constant_output_0' | awk '/act_fn/ { print $1 }')
fresh ts a.onnx --epochs 1 --freeze . --unfreeze intermediate_act_fn --unfreeze classifier -v 2> log
grep -c "trains.*Constant_output" log
fresh ts b.onnx --epochs 1 --unfreeze "$name" -v 2> log || exit
grep "trains.*Constant_output" log
