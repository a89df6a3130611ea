/* SPDX-License-Identifier: Apache-2.0
 * The books of a source: every record and byte under exactly one heading. */
#include "model/counts.h"

const char *const reject_words[REJECT_N] = {
#define X(name, word, help) [name] = word,
	REJECT_REASONS(X)
#undef X
};

const char *const reject_helps[REJECT_N] = {
#define X(name, word, help) [name] = help,
	REJECT_REASONS(X)
#undef X
};

static void tally_add(struct tally *to, struct tally from)
{
	to->records += from.records;
	to->bytes += from.bytes;
}

static void tally_take(struct tally *to, struct tally from)
{
	to->records -= from.records;
	to->bytes -= from.bytes;
}

void counts_add(struct counts *to, const struct counts *from)
{
	tally_add(&to->read, from->read);
	tally_add(&to->scored, from->scored);
	tally_add(&to->learning, from->learning);
	tally_add(&to->late, from->late);
	tally_add(&to->in_flight, from->in_flight);
	for (size_t i = 0; i < REJECT_N; i++)
		tally_add(&to->rejected[i], from->rejected[i]);
	to->flagged += from->flagged;
	to->no_detectors += from->no_detectors;
	to->truncated_bytes_unread += from->truncated_bytes_unread;
	to->truncations += from->truncations;
}

struct tally counts_gap(const struct counts *c)
{
	struct tally gap = c->read;

	tally_take(&gap, c->scored);
	tally_take(&gap, c->learning);
	tally_take(&gap, c->late);
	tally_take(&gap, c->in_flight);
	for (size_t i = 0; i < REJECT_N; i++)
		tally_take(&gap, c->rejected[i]);
	return gap;
}
