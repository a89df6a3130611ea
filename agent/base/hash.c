/* SPDX-License-Identifier: Apache-2.0
 * The only file that meets libxxhash and libcrypto. */
#include "base/hash.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <xxhash.h>

uint64_t hash_bytes(const void *at, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(at, n, seed);
}

double hash_unit(uint64_t hash)
{
	/* 52 bits and a half: never 0, never 1. */
	return ((double)(hash >> 12) + 0.5) * 0x1p-52;
}

static void hex(const unsigned char *digest, char to[65])
{
	for (size_t i = 0; i < 32; i++)
		snprintf(to + 2 * i, 3, "%02x", digest[i]);
}

void hash_sha256_hex(const void *at, size_t n, char to[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	int ok = EVP_Digest(at, n, digest, &length, EVP_sha256(), NULL);

	assert(ok && length == 32);
	hex(digest, to);
}

void hash_hmac_sha256_hex(const void *key, size_t n_key, const void *at, size_t n, char to[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	unsigned char *ok = HMAC(EVP_sha256(), key, (int)n_key, at, n, digest, &length);

	assert(ok && length == 32);
	hex(digest, to);
}
