dscompress completion zsh
