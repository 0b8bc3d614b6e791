/*
 * SHA-256 by libcrypto. Its plain functions need no allocation and cannot fail, which EVP's can;
 * they are of OpenSSL's interface 1.1, as the next line asks for it.
 */
#define OPENSSL_API_COMPAT 0x10100000L
#include "dsc/io.h"

#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct dsc_sha256), "a digest fits");

static SHA256_CTX *ctx_of(struct dsc_sha256 *h)
{
    return (SHA256_CTX *)(void *)h->state;
}

void dsc_sha256_init(struct dsc_sha256 *h)
{
    SHA256_Init(ctx_of(h));
}

void dsc_sha256_add(struct dsc_sha256 *h, const void *data, size_t n_bytes)
{
    SHA256_Update(ctx_of(h), data, n_bytes);
}

void dsc_sha256_hex(struct dsc_sha256 *h, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256_Final(digest, ctx_of(h));
    for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = '\0';
}
