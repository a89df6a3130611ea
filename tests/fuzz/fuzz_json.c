/* SPDX-License-Identifier: Apache-2.0
 * A hostile log of JSON lines: whatever the bytes, and however they are cut into chunks, the same rows and rejects come out and the books
 * balance. */
#include "tests/input/decode_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	decode_dump_fuzz(FORMAT_JSONL, (const char *)at, n);
	return 0;
}
