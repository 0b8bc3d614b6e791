# what stays in its type is copied, and codes do not depend on threads
dscompress export "$MODELS/gguf/types.gguf" --target gguf -o same.gguf &&
    dscompress inspect --diff "$MODELS/gguf/types.gguf" same.gguf &&
    dscompress export same.gguf --target gguf --dtype q6_K -j 1 -o one.gguf &&
    dscompress export same.gguf --target gguf --dtype q6_K -j 2 -o two.gguf &&
    cmp one.gguf two.gguf &&
    dscompress export one.gguf --target safetensors -o values.safetensors &&
    dscompress inspect --diff one.gguf values.safetensors | grep q6_K
