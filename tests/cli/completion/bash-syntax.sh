command -v bash > /dev/null || { echo "bash is missing"; exit 77; }
dscompress completion bash > d.bash && bash -n d.bash
