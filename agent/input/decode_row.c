/* SPDX-License-Identifier: Apache-2.0
 * From fields to a row. The trouble it solves: a record may name its model after its features, so columns and vectors are
 * written straight into the batch of the stream that the last record belonged to, and when that was wrong the record is read
 * again into the right one. A row that fails is never raised: the next one overwrites it. */
#include "input/decode_row.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

static const enum field texts[] = {FIELD_ID, FIELD_MODEL, FIELD_VERSION, FIELD_PREDICTION, FIELD_TEXT};

#define COUNT(array) (sizeof(array) / sizeof *(array))

void row_open(struct row *r, const struct decode_options *options)
{
	*r = (struct row){.options = options, .newest_us = TIME_NONE, .outlier_us = TIME_NONE};
	row_streams_open(r);
}

void row_done(struct row *r)
{
	row_streams_close(r);
	row_vectors_done(r);
	buf_done(&r->model);
	buf_done(&r->version);
}

void row_begin(struct row *r)
{
	r->stream = NULL;
	r->batch = NULL;
	r->time_us = TIME_NONE;
	r->time_met = false;
	r->confidence = NAN;
	r->fault = REJECT_N;
	for (size_t i = 0; i < COUNT(texts); i++)
		r->text[texts[i]].at = NULL;
	row_vectors_begin(r);
}

void row_fault(struct row *r, enum reject_reason reason, const char *format, ...)
{
	va_list args;

	if (r->fault != REJECT_N)
		return;
	r->fault = reason;
	va_start(args, format);
	vsnprintf(r->why, sizeof r->why, format, args);
	va_end(args);
}

/* ---- the batch ---- */

static void row_into(struct row *r, struct row_stream *s)
{
	r->stream = s;
	r->batch = row_stream_batch(r, s);
	batch_widths(r->batch, s->n_logits, s->n_embedding);
	batch_row_open(r->batch); /* vectors are read over what is there, and blanked in the end where there are none */
}

struct batch *row_batch(struct row *r)
{
	if (!r->batch)
		row_into(r, row_stream_guess(r));
	return r->batch;
}

/* ---- names and columns ---- */

bool row_name(struct buf *to, const struct row_text *key)
{
	char plain[ROW_NAME_MOST];
	const char *at = key->at;
	size_t n = key->n;

	if (n > sizeof plain || to->n + n > ROW_NAME_MOST)
		return false;
	if (key->how == TEXT_ESCAPED) {
		n = json_unescape((struct json_text){key->at, key->n, true}, plain);
		at = plain;
	}
	for (size_t i = 0; i < n; i++) {
		if (at[i])
			buf_put(to, at + i, 1);
		else
			buf_put(to, "\xEF\xBF\xBD", 3);
	}
	return true;
}

static void names_grow(struct row_names *names)
{
	size_t room = names->room ? 2 * names->room : 64;
	uint64_t *at = mem_zero(room, sizeof *at);

	for (size_t i = 0; i < names->room; i++) {
		size_t slot = names->at[i] & (room - 1);

		for (; names->at[i] && at[slot]; slot = (slot + 1) & (room - 1))
			;
		if (names->at[i])
			at[slot] = names->at[i];
	}
	free(names->at);
	names->at = at;
	names->room = room;
}

/* Is the name among those, or may it join? */
static bool names_admit(struct row_names *names, const char *name, size_t n, size_t most)
{
	uint64_t hash = hash_bytes(name, n, 0) | 1;
	size_t slot;

	if (2 * (names->n + 1) > names->room)
		names_grow(names);
	for (slot = hash & (names->room - 1); names->at[slot]; slot = (slot + 1) & (names->room - 1))
		if (names->at[slot] == hash)
			return true;
	if (names->n == most)
		return false;
	names->at[slot] = hash;
	names->n++;
	return true;
}

size_t row_column(struct row *r, enum field columns, const char *name, size_t n, size_t guess)
{
	struct columns *in = batch_columns(row_batch(r), columns);
	size_t at = batch_column(r->batch, in, name, n, guess, in->n), most;

	if (at != SIZE_MAX)
		return at;
	/* Of a line that is too long nothing is learned: cut elsewhere it would not have been read at all. */
	if (r->line && !memchr(r->line, '\n', r->options->longest + 1)) {
		row_fault(r, REJECT_TOO_LONG, "longer than %zu bytes", r->options->longest);
		return SIZE_MAX;
	}
	most = r->options->most_columns;
	if (columns == FIELD_TAGS && most > ROW_TAGS_MOST)
		most = ROW_TAGS_MOST;
	if (!names_admit(&r->stream->names[columns], name, n, most)) {
		/* Who writes an id where the name of a tag belongs shall not lose the records with it. */
		if (columns == FIELD_TAGS)
			return SIZE_MAX;
		row_fault(r, REJECT_TOO_MANY_FIELDS, "more than %zu different %s", r->options->most_columns, field_words[columns]);
		return SIZE_MAX;
	}
	return batch_column(r->batch, in, name, n, SIZE_MAX, SIZE_MAX);
}

void row_cell(struct row *r, enum field columns, size_t column, const struct row_value *v)
{
	static const enum cell cells[] = {[VALUE_NULL] = CELL_NULL, [VALUE_BOOL] = CELL_BOOL, [VALUE_NUMBER] = CELL_NUMBER,
		[VALUE_TEXT] = CELL_TEXT, [VALUE_OTHER] = CELL_OTHER, [VALUE_TIME] = CELL_OTHER};
	struct column *c = &batch_columns(row_batch(r), columns)->at[column];
	size_t row = r->batch->n;
	bool finite = v->kind == VALUE_BOOL || (v->kind == VALUE_NUMBER && isfinite(v->number));

	if (v->kind == VALUE_TEXT)
		batch_text_put(r->batch, c, row, row_keep(r, &v->text));
	c->kind[row] = (uint8_t)(v->kind == VALUE_NUMBER && !finite ? CELL_NULL : cells[v->kind]);
	c->number[row] = finite ? v->number : (double)NAN;
}

struct text row_keep(struct row *r, const struct row_text *t)
{
	struct arena *arena = row_batch(r)->arena;
	struct text text = {NULL, (uint32_t)t->n};

	if (!t->at)
		return (struct text){0};
	if (t->how == TEXT_HERE) {
		text.at = t->at + r->shift;
	} else if (t->how == TEXT_MADE) {
		text.at = arena_span(arena, t->at, t->n);
	} else {
		char *plain = arena_alloc(arena, t->n + 1);

		text.n = (uint32_t)json_unescape((struct json_text){t->at, t->n, true}, plain);
		text.at = plain;
	}
	return text;
}

/* ---- the end ---- */

/* A clock that is wrong once must not move the watermark: a time far ahead counts only when the next record agrees. */
static bool time_plausible(struct row *r)
{
	int64_t far = r->options->future_us, us = r->time_us;
	bool ahead = far && r->newest_us != TIME_NONE && us > r->newest_us && us - r->newest_us > far;
	bool agreed = ahead && r->outlier_us != TIME_NONE && llabs(us - r->outlier_us) <= far;

	r->outlier_us = ahead && !agreed ? us : TIME_NONE;
	return !ahead || agreed;
}

static void end_checks(struct row *r)
{
	row_vectors_check(r);
	if (r->fault == REJECT_N && r->time_us == TIME_NONE)
		row_fault(r, REJECT_NO_TIME, r->time_met ? "time is null" : "no time");
	if (r->fault == REJECT_N && !time_plausible(r))
		row_fault(r, REJECT_FUTURE, "%.0f s ahead of the newest record before it",
			(double)(r->time_us - r->newest_us) / (double)SECOND_US);
}

static void row_take(struct row *r, const char *record, size_t n, uint64_t offset, uint32_t length)
{
	struct batch *b = r->batch;
	struct decoded *to = r->to;
	size_t row = b->n;

	row_vectors_settle(r);
	b->time_us[row] = r->time_us;
	b->offset[row] = offset;
	b->length[row] = length;
	b->id[row] = row_keep(r, &r->text[FIELD_ID]);
	b->prediction[row] = row_keep(r, &r->text[FIELD_PREDICTION]);
	b->label_text[row] = row_keep(r, &r->text[FIELD_TEXT]);
	b->confidence[row] = r->confidence;
	b->hash[row] = b->id[row].at ? hash_bytes(b->id[row].at, b->id[row].n, 0) : hash_bytes(record, n, 0);
	b->n++;
	if (r->newest_us == TIME_NONE || r->time_us > r->newest_us)
		r->newest_us = r->time_us;
	if (to->first_us == TIME_NONE || r->time_us < to->first_us)
		to->first_us = r->time_us;
	if (to->newest_us == TIME_NONE || r->time_us > to->newest_us)
		to->newest_us = r->time_us;
}

enum row_end row_end(struct row *r, const char *record, size_t n, uint64_t offset, uint32_t length)
{
	enum reject_reason fault = r->fault;
	struct row_stream *right;

	r->fault = REJECT_N;
	right = row_stream_named(r);
	if (!right)
		return ROW_REFUSED;
	r->fault = fault;
	if (r->stream && r->stream != right) {
		r->again = right;
		return ROW_AGAIN;
	}
	if (!r->batch)
		row_into(r, right);
	r->last = right;
	end_checks(r);
	if (r->fault != REJECT_N)
		return ROW_REFUSED;
	row_take(r, record, n, offset, length);
	return ROW_TAKEN;
}

void row_again(struct row *r)
{
	row_begin(r);
	row_into(r, r->again);
}
