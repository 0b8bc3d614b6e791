dscompress export "$MODELS/hf/sentence-mean" --target hdf5 -o /dev/stdout
