/* SPDX-License-Identifier: Apache-2.0
 * Odd records kept for a person to look at, the newest so many of each model. */
#include "store/op.h"

#include <assert.h>
#include <math.h>

void txn_put_sample(struct txn *t, const struct sample *s, size_t most)
{
	assert(most > 0);
	/* SQLite knows no NaN; a NULL is read back as one. */
	TXN_OP(t, STATEMENT_SAMPLE_PUT, text_value(s->model),
		text_value(s->version ? s->version : ""), text_value(s->id), int_value(s->time_us),
		real_value(s->p), text_value(s->prediction), bytes_value(s->record, s->n_record),
		int_value(s->window_us), int_value((int64_t)s->hash),
		text_value(s->kind ? s->kind : "other"), real_value(s->confidence),
		text_value(s->nearest), text_value(s->why), text_value(s->reasons));
	TXN_OP(t, STATEMENT_SAMPLE_TRIM, text_value(s->model), int_value((int64_t)most));
}

void txn_drop_sample(
	struct txn *t, const char *model, const char *version, const struct sample *s)
{
	TXN_OP(t, STATEMENT_SAMPLE_DROP, text_value(model), text_value(version),
		int_value(s->window_us), int_value((int64_t)s->hash));
}

void txn_settle_sample(
	struct txn *t, const char *model, const char *version, const struct sample *s)
{
	TXN_OP(t, STATEMENT_SAMPLE_SETTLE, text_value(model), text_value(version),
		int_value(s->window_us), int_value((int64_t)s->hash), text_value(s->kind));
}

struct sample_reader {
	int (*fn)(void *context, const struct sample *s);
	void *context;
};

static int on_sample(void *context, const struct value *row)
{
	const struct sample_reader *reader = context;
	struct sample s = {
		.model = (char *)(uintptr_t)row[0].at,
		.version = (char *)(uintptr_t)row[1].at,
		.id = (char *)(uintptr_t)row[2].at,
		.time_us = row[3].integer,
		.p = row[4].kind == VALUE_REAL ? row[4].real : NAN,
		.prediction = (char *)(uintptr_t)row[5].at,
		.record = (char *)(uintptr_t)row[6].at,
		.n_record = row[6].n,
		.window_us = row[7].integer,
		.hash = (uint64_t)row[8].integer,
		.kind = row[9].at,
		.confidence = row[10].kind == VALUE_REAL ? row[10].real : NAN,
		.nearest = (char *)(uintptr_t)row[11].at,
		.why = (char *)(uintptr_t)row[12].at,
		.reasons = (char *)(uintptr_t)row[13].at,
	};

	return reader->fn(reader->context, &s);
}

int store_each_sample(struct store *s, const char *model, size_t most,
	int (*fn)(void *context, const struct sample *sample), void *context, struct error *e)
{
	struct sample_reader reader = {.fn = fn, .context = context};
	struct value which[] = {text_value(model), int_value((int64_t)most)};

	return store_read(s, STATEMENT_SAMPLE_EACH, which, 2, on_sample, &reader, e);
}
