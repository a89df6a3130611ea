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
		real_value(s->p), text_value(s->prediction), bytes_value(s->record, s->n_record));
	TXN_OP(t, STATEMENT_SAMPLE_TRIM, text_value(s->model), int_value((int64_t)most));
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
