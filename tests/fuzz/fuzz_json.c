/* SPDX-License-Identifier: Apache-2.0
 * A hostile log of JSON lines, with the standard places and limits, and with strange ones: whatever the bytes, and however they
 * are cut into chunks, the same rows and rejects come out and the books balance. */
#include <stddef.h>
#include <stdint.h>

#include "input/decode.h"
#include "tests/input/decode_dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct decode_options plain = DECODE_OPTIONS, strange = DECODE_OPTIONS;

	strange.longest = 200;
	strange.deepest = 4;
	strange.most_columns = 3;
	strange.future_us = 1000000;
	strange.model = (char *)"m";
	strange.pointer[FIELD_FEATURES] = (char *)"";
	strange.pointer[FIELD_TAGS] = (char *)"/metrics";
	strange.pointer[FIELD_TIME] = (char *)"/features/0";
	strange.pointer[FIELD_EMBEDDING] = (char *)"/tags/0/e~1";
	strange.pointer[FIELD_ID] = (char *)"/features/0";
	if (n > 20000)
		return 0;
	decode_dump_compare(&plain, (const char *)at, n);
	decode_dump_compare(&strange, (const char *)at, n);
	return 0;
}
