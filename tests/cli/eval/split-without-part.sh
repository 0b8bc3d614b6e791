# all rows would be taken, those that the model was trained on too
dscompress eval "$MODELS/mlp/classes.onnx" --data "$MODELS/mlp/classes.npz" --split 70/10/20
a=$?
dscompress gate "$MODELS/mlp/classes.onnx" --data "$MODELS/mlp/classes.npz" --split 70/10/20 --min accuracy=0
b=$?
dscompress tokenize "$MODELS/hf/sentence-mean" --data "$SOURCE/examples/sms-fraud/small/messages.tsv" --split 70/10/20
echo $a $b $?
exit $a
