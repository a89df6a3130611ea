/* SPDX-License-Identifier: Apache-2.0
 * How far each log was read. */
#include "store/op.h"

void txn_put_position(struct txn *t, const struct position *p)
{
	TXN_OP(t, STATEMENT_POSITION_PUT, text_value(p->source), text_value(p->identity),
		text_value(p->path ? p->path : ""), int_value((int64_t)p->generation),
		int_value((int64_t)p->offset), int_value(p->skipping), int_value(p->head_n),
		int_value((int64_t)p->head_hash), int_value(p->marker_n),
		int_value((int64_t)p->marker_hash), time_value(p->newest_us),
		int_value(p->touched_us));
}

void txn_drop_position(struct txn *t, const char *source, const char *identity)
{
	TXN_OP(t, STATEMENT_POSITION_DROP, text_value(source), text_value(identity));
}

struct position_reader {
	int (*fn)(void *context, const struct position *p);
	void *context;
};

/* The members of struct position are not const, but it is handed on as const and its text is only
 * borrowed. */
static char *borrowed(const struct value *v)
{
	return (char *)(uintptr_t)v->at;
}

static int on_position(void *context, const struct value *row)
{
	const struct position_reader *reader = context;
	struct position p = {
		.source = borrowed(&row[0]),
		.identity = borrowed(&row[1]),
		.path = borrowed(&row[2]),
		.generation = (uint64_t)row[3].integer,
		.offset = (uint64_t)row[4].integer,
		.skipping = row[5].integer != 0,
		.head_n = (uint32_t)row[6].integer,
		.head_hash = (uint64_t)row[7].integer,
		.marker_n = (uint32_t)row[8].integer,
		.marker_hash = (uint64_t)row[9].integer,
		.newest_us = value_time(&row[10]),
		.touched_us = row[11].integer,
	};

	return reader->fn(reader->context, &p);
}

int store_each_position(struct store *s, const char *source,
	int (*fn)(void *context, const struct position *p), void *context, struct error *e)
{
	struct position_reader reader = {.fn = fn, .context = context};
	struct value which = text_value(source);

	return store_read(s, STATEMENT_POSITION_EACH, &which, 1, on_position, &reader, e);
}
