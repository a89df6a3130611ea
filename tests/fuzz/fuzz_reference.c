/* SPDX-License-Identifier: Apache-2.0
 * A reference from a file nobody vouches for. The first byte chooses: the rest as a file, as a
 * payload behind its checksum, or as edits (two bytes where, one byte what) to a payload that is
 * sound, which gets deeper than chance would. What is let in must be sound, and come back the same.
 */
#include <stdint.h>
#include <string.h>

#include "../model/made_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static struct buf sound;

static void must(int held)
{
	if (!held)
		__builtin_trap();
}

/* Whatever was read can be written, and is then read as the same. */
static void taken(struct reference *r)
{
	struct reference *again = NULL;
	struct buf first = BUF_EMPTY, second = BUF_EMPTY;
	struct error e = {""};

	must(reference_check(r, &e) == 0);
	reference_pack(r, &first);
	must(reference_unpack_payload(first.at, first.n, &again, &e) == 0);
	reference_pack(again, &second);
	must(first.n == second.n && memcmp(first.at, second.at, first.n) == 0);
	buf_done(&first);
	buf_done(&second);
	reference_close(again);
	reference_close(r);
}

static void payload(const void *bytes, size_t n)
{
	struct reference *r = NULL;
	struct error e = {""};

	if (reference_unpack_payload(bytes, n, &r, &e) == 0)
		taken(r);
	else
		must(r == NULL && e.text[0] != '\0');
}

static void edited(const uint8_t *edits, size_t n)
{
	char *bytes = mem_copy(sound.at, sound.n);

	for (; n >= 3; n -= 3, edits += 3)
		bytes[(edits[0] * 256u + edits[1]) % sound.n] = (char)edits[2];
	payload(bytes, sound.n);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct reference *r = NULL;
	struct error e = {""};

	if (sound.n == 0) {
		r = sample();
		reference_pack(r, &sound);
		reference_close(r);
		r = NULL;
	}
	if (n == 0)
		return 0;
	if (at[0] % 8 == 0 && reference_unpack(at + 1, n - 1, "fuzz", &r, &e) == 0)
		taken(r);
	else if (at[0] % 8 == 1)
		payload(at + 1, n - 1);
	else if (at[0] % 8 > 1)
		edited(at + 1, n - 1 < 30 ? n - 1 : 30);
	return 0;
}
