dscompress inspect "$MODELS/hdf5/types.h5" --stats --validate
