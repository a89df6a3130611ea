/* SPDX-License-Identifier: Apache-2.0
 * What the rooms packed for themselves: bytes under a kind and a key. The store does not look
 * inside. */
#include "store/op.h"

const char *const state_words[STATE_KIND_N] = {
#define X(name, word, help) [name] = word,
	STATE_KINDS(X)
#undef X
};

const char *const state_helps[STATE_KIND_N] = {
#define X(name, word, help) [name] = help,
	STATE_KINDS(X)
#undef X
};

void txn_put_state(struct txn *t, enum state_kind kind, const char *key, const void *at, size_t n)
{
	TXN_OP(t, STATEMENT_STATE_PUT, text_value(state_words[kind]), text_value(key),
		bytes_value(at, n));
}

void txn_drop_state(struct txn *t, enum state_kind kind, const char *key)
{
	TXN_OP(t, STATEMENT_STATE_DROP, text_value(state_words[kind]), text_value(key));
}

struct state_reader {
	int (*fn)(void *context, const char *key, const void *at, size_t n);
	void *context;
};

static int on_state(void *context, const struct value *row)
{
	const struct state_reader *reader = context;

	return reader->fn(reader->context, row[0].at, row[1].at, row[1].n);
}

int store_each_state(struct store *s, enum state_kind kind,
	int (*fn)(void *context, const char *key, const void *at, size_t n), void *context,
	struct error *e)
{
	struct state_reader reader = {.fn = fn, .context = context};
	struct value which = text_value(state_words[kind]);

	return store_read(s, STATEMENT_STATE_EACH, &which, 1, on_state, &reader, e);
}
