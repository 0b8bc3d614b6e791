# --extract writes arrays that are the tensors, of a graph and of files of tensors; npz is read as one
m=$MODELS/torch/mlp_ts.onnx
dscompress inspect "$m" --extract all.npz > /dev/null || exit
dscompress export "$m" --target npz -o exported.npz > /dev/null && cmp all.npz exported.npz && echo "same as export"
dscompress export "$m" --target safetensors -o all.safetensors > /dev/null
dscompress inspect --diff all.npz all.safetensors > out && echo "same tensors"
cat out
echo "-- some"
dscompress inspect "$MODELS/gguf/types.gguf" --tensors='*q4*' --extract some.npz | tail -n +2 | wc -l
dscompress inspect some.npz --tensors | grep f32
python3 - <<"END"
import zipfile
print(zipfile.ZipFile("some.npz").testzip(), zipfile.ZipFile("some.npz").namelist())
END
echo "-- refused"
dscompress inspect "$m" --extract all.npz > /dev/null
echo $?
dscompress inspect "$m" --extract all.npz -f > /dev/null && echo replaced
dscompress inspect "$m" --tensors='zz*' --extract none.npz
echo $?
dscompress inspect "$m" -f
echo $?
ls
