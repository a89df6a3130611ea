/* SPDX-License-Identifier: Apache-2.0
 * Hashes: XXH3 for tables and tie-breaking (stable across machines and versions), SHA-256 and HMAC for people.
 * Meets libxxhash and libcrypto. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *at, size_t n, uint64_t seed);
/* A number in (0, 1) made of a hash: for randomised ties. */
double hash_unit(uint64_t hash);
/* Lower-case hex, 64 digits and a NUL. */
void hash_sha256_hex(const void *at, size_t n, char to[65]);
void hash_hmac_sha256_hex(const void *key, size_t n_key, const void *at, size_t n, char to[65]);

#endif
