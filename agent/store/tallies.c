/* SPDX-License-Identifier: Apache-2.0
 * The counters of each source, one row for each word, so that a reason for rejecting can be added
 * or retired without a migration: a word that this oodd does not know is left alone. */
#include "store/op.h"

#include <assert.h>
#include <stddef.h>

#define REJECTED "rejected."

/* The tallies beside the rejected ones. */
static const struct {
	const char *word;
	size_t at; /* in struct counts */
} tallies[] = {
	{"read", offsetof(struct counts, read)},
	{"scored", offsetof(struct counts, scored)},
	{"learning", offsetof(struct counts, learning)},
	{"late", offsetof(struct counts, late)},
	{"in_flight", offsetof(struct counts, in_flight)},
};

/* Single counters, kept where their unit says: records or bytes. */
static const struct {
	const char *word;
	size_t at;
	bool bytes;
} singles[] = {
	{"flagged", offsetof(struct counts, flagged), false},
	{"no_detectors", offsetof(struct counts, no_detectors), false},
	{"truncated_unread", offsetof(struct counts, truncated_bytes_unread), true},
	{"truncations", offsetof(struct counts, truncations), false},
};

#define LENGTH(a) (sizeof(a) / sizeof *(a))

static void put(struct txn *t, const char *source, const char *word, struct tally n)
{
	TXN_OP(t, STATEMENT_COUNT_PUT, text_value(source), text_value(word), int_value(n.records),
		int_value(n.bytes));
}

static void put_rejected(struct txn *t, const char *source, const struct counts *c)
{
	char word[64];

	/* These only rise: what is zero was never written. */
	for (size_t i = 0; i < REJECT_N; i++) {
		if (!c->rejected[i].records && !c->rejected[i].bytes)
			continue;
		snprintf(word, sizeof word, REJECTED "%s", reject_words[i]);
		put(t, source, word, c->rejected[i]);
	}
}

void txn_put_counts(struct txn *t, const char *source, const struct counts *c)
{
	for (size_t i = 0; i < LENGTH(tallies); i++)
		put(t, source, tallies[i].word,
			*(const struct tally *)((const char *)c + tallies[i].at));
	for (size_t i = 0; i < LENGTH(singles); i++) {
		int64_t n = *(const int64_t *)((const char *)c + singles[i].at);

		put(t, source, singles[i].word,
			singles[i].bytes ? (struct tally){.bytes = n}
					 : (struct tally){.records = n});
	}
	put_rejected(t, source, c);
}

static void counts_take(struct counts *c, const char *word, struct tally n)
{
	for (size_t i = 0; i < LENGTH(tallies); i++)
		if (!strcmp(word, tallies[i].word))
			*(struct tally *)((char *)c + tallies[i].at) = n;
	for (size_t i = 0; i < LENGTH(singles); i++)
		if (!strcmp(word, singles[i].word))
			*(int64_t *)((char *)c + singles[i].at) =
				singles[i].bytes ? n.bytes : n.records;
	if (strncmp(word, REJECTED, strlen(REJECTED)))
		return;
	for (size_t i = 0; i < REJECT_N; i++)
		if (!strcmp(word + strlen(REJECTED), reject_words[i]))
			c->rejected[i] = n;
}

static int on_count(void *context, const struct value *row)
{
	counts_take(context, row[1].at, (struct tally){.records = row[2].integer, .bytes = row[3].integer});
	return 0;
}

int store_counts(struct store *s, const char *source, struct counts *ret, struct error *e)
{
	struct value which = text_value(source);
	struct counts found = {0};

	assert(source);
	int code = store_read(s, STATEMENT_COUNT_EACH, &which, 1, on_count, &found, e);
	if (!code)
		*ret = found;
	return code;
}
