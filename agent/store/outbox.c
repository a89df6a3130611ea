/* SPDX-License-Identifier: Apache-2.0
 * Alerts not yet accepted by their endpoint, and those given up. A row goes in with the commit that
 * made the alert, durably: were it lost with the power, the log's own tail may be lost too, and
 * nobody would be left to resolve the incident. */
#include "store/op.h"

#include <assert.h>

void txn_put_outbox(struct txn *t, const struct outbox_row *row)
{
	TXN_OP(t, STATEMENT_OUTBOX_PUT, text_value(row->endpoint), int_value(row->number),
		text_value(row->key), text_value(alert_state_words[row->state]),
		bytes_value(row->alert, row->n_alert), int_value(row->made_us),
		time_value(row->expires_us), int_value(row->attempts), int_value(row->next_us),
		text_value(row->said));
	txn_durable(t);
}

void txn_attempt_outbox(struct txn *t, const char *endpoint, int64_t number, int64_t attempts,
	int64_t next_us, const char *said)
{
	TXN_OP(t, STATEMENT_OUTBOX_ATTEMPT, text_value(endpoint), int_value(number),
		int_value(attempts), int_value(next_us), text_value(said));
}

void txn_done_outbox(struct txn *t, const char *endpoint, int64_t number)
{
	TXN_OP(t, STATEMENT_OUTBOX_DONE, text_value(endpoint), int_value(number));
}

void txn_dead_outbox(struct txn *t, const char *endpoint, int64_t number, int64_t attempts,
	const char *said, int64_t dead_us, size_t most)
{
	assert(dead_us != TIME_NONE && most > 0);
	TXN_OP(t, STATEMENT_OUTBOX_DEAD, text_value(endpoint), int_value(number),
		int_value(attempts), text_value(said), int_value(dead_us));
	TXN_OP(t, STATEMENT_OUTBOX_TRIM, text_value(endpoint), int_value((int64_t)most));
}

struct outbox_reader {
	int (*fn)(void *context, const struct outbox_row *row);
	void *context;
};

static enum alert_state state_of(const char *word)
{
	return !strcmp(word, alert_state_words[ALERT_RESOLVED]) ? ALERT_RESOLVED : ALERT_FIRING;
}

static int on_outbox(void *context, const struct value *row)
{
	const struct outbox_reader *reader = context;
	struct outbox_row r = {
		.endpoint = row[0].at,
		.number = row[1].integer,
		.key = row[2].at,
		.state = state_of(row[3].at),
		.alert = row[4].at,
		.n_alert = row[4].n,
		.made_us = row[5].integer,
		.expires_us = value_time(&row[6]),
		.attempts = row[7].integer,
		.next_us = row[8].integer,
		.said = row[9].at,
		.dead_us = value_time(&row[10]),
	};

	return reader->fn(reader->context, &r);
}

int store_each_outbox(struct store *s, const char *endpoint,
	int (*fn)(void *context, const struct outbox_row *row), void *context, struct error *e)
{
	struct outbox_reader reader = {.fn = fn, .context = context};
	struct value which = text_value(endpoint);

	return store_read(s, STATEMENT_OUTBOX_EACH, &which, 1, on_outbox, &reader, e);
}
