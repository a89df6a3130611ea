/* SPDX-License-Identifier: Apache-2.0
 * From fields to a row. The trouble it solves: a record may name its model after its features, so columns and vectors are
 * written straight into the batch of the stream that the last record belonged to, and when that was wrong the record is read
 * again into the right one. A row that fails is never raised: the next one overwrites it. */
#include "input/decode_row.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#define PROBABILITY_LEAST 1e-12f

static const enum field texts[] = {FIELD_ID, FIELD_MODEL, FIELD_VERSION, FIELD_PREDICTION, FIELD_TEXT};
static const enum field vectors[] = {FIELD_EMBEDDING, FIELD_LOGITS, FIELD_PROBABILITIES};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct row_stream *stream_open(const char *model, size_t n_model, const char *version, size_t n_version)
{
	struct row_stream *s = mem_zero(1, sizeof *s);

	s->model = mem_copy_span(model, n_model);
	s->version = mem_copy_span(version, n_version);
	s->n_model = n_model;
	s->n_version = n_version;
	return s;
}

static void stream_close(struct row_stream *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < FIELD_N; i++)
		free(s->names[i].at);
	free(s->model);
	free(s->version);
	free(s);
}

void row_open(struct row *r, const struct decode_options *options)
{
	*r = (struct row){.options = options, .newest_us = TIME_NONE, .outlier_us = TIME_NONE};
	r->limbo = stream_open("", 0, "", 0);
	r->limbo->batch = batch_open("", 0, "", 0);
}

void row_done(struct row *r)
{
	for (size_t i = 0; i < r->n_streams; i++)
		stream_close(r->streams[i]);
	free(r->streams);
	batch_close(r->limbo->batch);
	stream_close(r->limbo);
	for (size_t i = 0; i < COUNT(vectors); i++)
		free(r->vector[vectors[i]].scratch);
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
	for (size_t i = 0; i < COUNT(vectors); i++)
		r->vector[vectors[i]].n = 0;
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

/* ---- streams ---- */

static bool stream_is(const struct row_stream *s, const char *model, size_t n_model, const char *version, size_t n_version)
{
	return s->n_model == n_model && s->n_version == n_version && !memcmp(s->model, model, n_model) &&
		!memcmp(s->version, version, n_version);
}

static struct row_stream **stream_slot(struct row *r, const char *model, size_t n_model, const char *version, size_t n_version)
{
	uint64_t hash = hash_bytes(version, n_version, hash_bytes(model, n_model, 0));
	struct row_stream **slot = &r->by_name[hash % ROW_STREAM_SLOTS];

	while (*slot && !stream_is(*slot, model, n_model, version, n_version))
		slot = &(*slot)->next;
	return slot;
}

static struct row_stream *stream_add(struct row *r, struct row_stream **slot, struct row_stream *s)
{
	r->streams = mem_grow(r->streams, r->n_streams + 1, sizeof(struct row_stream *));
	return r->streams[r->n_streams++] = *slot = s;
}

struct row_stream *row_stream_make(struct row *r, const char *model, size_t n_model, const char *version, size_t n_version)
{
	struct row_stream **slot = stream_slot(r, model, n_model, version, n_version);

	if (*slot || r->n_streams - r->n_told == ROW_STREAMS_MOST)
		return *slot;
	return stream_add(r, slot, stream_open(model, n_model, version, n_version));
}

struct row_stream *row_stream_tell(struct row *r, const char *model, size_t n_model, const char *version, size_t n_version)
{
	struct row_stream **slot = stream_slot(r, model, n_model, version, n_version);
	struct row_stream *s = *slot ? *slot : stream_add(r, slot, stream_open(model, n_model, version, n_version));

	r->n_told += !s->told;
	s->told = true;
	return s;
}

/* A host that has run for a year has met many versions: what was noted of those that nobody watches begins anew, and so do the
 * batches, one for each. */
static void streams_forget(struct row *r, struct decoded *to)
{
	size_t n = r->n_streams;

	memset(r->by_name, 0, sizeof r->by_name);
	r->n_streams = 0;
	for (size_t i = 0; i < n; i++) {
		struct row_stream *s = r->streams[i];

		s->next = NULL;
		if (s->told)
			r->streams[r->n_streams++] = *stream_slot(r, s->model, s->n_model, s->version, s->n_version) = s;
		else
			stream_close(s);
	}
	r->last = r->again = r->stream = NULL;
	r->batch = NULL;
	for (size_t i = 0; i < to->n_batches; i++)
		batch_close(to->batches[i]);
	to->n_batches = 0;
}

void row_to(struct row *r, struct decoded *to)
{
	r->to = to;
	if (r->n_streams - r->n_told == ROW_STREAMS_MOST)
		streams_forget(r, to);
	for (size_t i = 0; i < r->n_streams; i++)
		r->streams[i]->batch = NULL;
	batch_reset(r->limbo->batch);
}

/* What a record calls its model or version: as it stands where that will do, else made plain in `plain`. */
static void called(struct row *r, enum field field, const char *otherwise, struct buf *plain, const char **ret, size_t *ret_n)
{
	const struct row_text *t = &r->text[field];

	buf_clear(plain);
	if (!t->at || !t->n) {
		*ret = otherwise ? otherwise : "";
		*ret_n = strlen(*ret);
	} else if (t->how != TEXT_ESCAPED && !memchr(t->at, 0, t->n)) {
		*ret = t->at;
		*ret_n = t->n;
	} else {
		row_name(plain, t);
		*ret = buf_cstr(plain);
		*ret_n = plain->n;
	}
}

/* A field that says, in as many bytes, what the last record's did; names that are made plain first are left to others. */
static bool says(const struct row_text *t, const char *name, size_t n)
{
	return t->at && t->n == n && n && t->how != TEXT_ESCAPED && !memcmp(t->at, name, n);
}

/* The stream that the fields met so far name, NULL with a fault where there is none. */
static struct row_stream *stream_named(struct row *r)
{
	const char *model, *version;
	size_t n_model, n_version;
	struct row_stream *s;

	if (r->last && says(&r->text[FIELD_MODEL], r->last->model, r->last->n_model) &&
		says(&r->text[FIELD_VERSION], r->last->version, r->last->n_version))
		return r->last;
	called(r, FIELD_MODEL, r->options->model, &r->model, &model, &n_model);
	called(r, FIELD_VERSION, r->options->version, &r->version, &version, &n_version);
	if (r->last && stream_is(r->last, model, n_model, version, n_version))
		return r->last;
	if (!n_model) {
		row_fault(r, REJECT_NO_MODEL, "no model, and the source names none");
		return NULL;
	}
	if (n_model > ROW_NAME_MOST || n_version > ROW_NAME_MOST) {
		row_fault(r, REJECT_WRONG_TYPE, "a model or version of more than %d bytes", ROW_NAME_MOST);
		return NULL;
	}
	s = row_stream_make(r, model, n_model, version, n_version);
	if (!s)
		row_fault(r, REJECT_TOO_MANY_STREAMS, "more than %d models and versions within half a megabyte", ROW_STREAMS_MOST);
	return s;
}

static bool place_is(const struct row *r, enum field field)
{
	return !r->options->pointer[field] || *r->options->pointer[field];
}

/* The stream as far as one can tell in the middle of a record. */
static struct row_stream *stream_guess(struct row *r)
{
	bool model = r->text[FIELD_MODEL].at || !place_is(r, FIELD_MODEL);
	bool version = r->text[FIELD_VERSION].at || !place_is(r, FIELD_VERSION);
	enum reject_reason fault = r->fault;
	struct row_stream *s = model && version ? stream_named(r) : r->last;

	r->fault = fault;
	return s ? s : r->limbo;
}

static struct batch *stream_batch(struct row *r, struct row_stream *s)
{
	struct decoded *to = r->to;

	for (size_t i = 0; !s->batch && i < to->n_batches; i++) {
		struct batch **b = &to->batches[i];

		if (strcmp((*b)->model, s->model) || strcmp((*b)->version, s->version))
			continue;
		/* Filled by another decoder, of another mind about the widths. */
		if ((*b)->n_logits != s->n_logits || (*b)->n_embedding != s->n_embedding) {
			assert(!(*b)->n);
			batch_close(*b);
			*b = batch_open(s->model, s->n_model, s->version, s->n_version);
		}
		s->batch = *b;
	}
	if (!s->batch) {
		to->batches = mem_grow(to->batches, to->n_batches + 1, sizeof(struct batch *));
		s->batch = to->batches[to->n_batches++] = batch_open(s->model, s->n_model, s->version, s->n_version);
	}
	return s->batch;
}

static void row_into(struct row *r, struct row_stream *s)
{
	r->stream = s;
	r->batch = stream_batch(r, s);
	batch_widths(r->batch, s->n_logits, s->n_embedding);
	batch_row_open(r->batch); /* vectors are read over what is there, and blanked in the end where there are none */
}

struct batch *row_batch(struct row *r)
{
	if (!r->batch)
		row_into(r, stream_guess(r));
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
	size_t at = batch_column(r->batch, in, name, n, guess, in->n);

	if (at != SIZE_MAX)
		return at;
	/* Of a line that is too long nothing is learned: cut elsewhere it would not have been read at all. */
	if (r->line && !memchr(r->line, '\n', r->options->longest + 1)) {
		row_fault(r, REJECT_TOO_LONG, "longer than %zu bytes", r->options->longest);
		return SIZE_MAX;
	}
	if (!names_admit(&r->stream->names[columns], name, n, r->options->most_columns)) {
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

/* ---- vectors ---- */

static size_t width_known(const struct row_stream *s, enum field field)
{
	return field == FIELD_EMBEDDING ? s->n_embedding : s->n_logits;
}

static float *vector_at(const struct row *r, enum field field)
{
	struct batch *b = r->batch;

	return field == FIELD_EMBEDDING ? b->embedding + b->n * b->n_embedding : b->logits + b->n * b->n_logits;
}

static size_t most_floats(const struct row *r)
{
	return r->options->longest / 2 + 1; /* no record has more: a digit and a comma each */
}

float *row_vector_room(struct row *r, enum field field, size_t *ret_room)
{
	struct row_vector *v = &r->vector[field];

	row_batch(r);
	/* Probabilities wait: logits may follow. */
	v->in_batch = field != FIELD_PROBABILITIES && width_known(r->stream, field);
	if (v->in_batch) {
		*ret_room = width_known(r->stream, field);
		return vector_at(r, field);
	}
	if (!v->scratch)
		v->scratch = mem_alloc(most_floats(r) * sizeof *v->scratch);
	*ret_room = most_floats(r);
	return v->scratch;
}

static bool width_check(struct row *r, enum field field, size_t n)
{
	size_t width = width_known(r->stream, field);

	if (width && n != width)
		row_fault(r, REJECT_VECTOR_WIDTH, "%s of width %zu, not %zu", field_words[field], n, width);
	return !width || n == width;
}

void row_vector_put(struct row *r, enum field field, size_t n)
{
	if (!n)
		row_vector_none(r, field);
	else if (width_check(r, field, n))
		r->vector[field].n = n;
}

void row_vector_none(struct row *r, enum field field)
{
	r->vector[field].n = 0;
	r->vector[field].in_batch = false;
}

/* A vector read before its stream had a width: the first of its stream decides it. */
static void vector_settle(struct row *r, enum field field)
{
	struct row_vector *v = &r->vector[field];
	struct row_stream *s = r->stream;

	if (!v->n || v->in_batch)
		return;
	if (field == FIELD_EMBEDDING)
		s->n_embedding = v->n;
	else
		s->n_logits = v->n;
	batch_widths(r->batch, s->n_logits, s->n_embedding);
	memcpy(vector_at(r, field), v->scratch, v->n * sizeof *v->scratch);
}

static void log_probabilities(float *to, const float *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = logf(p[i] > PROBABILITY_LEAST ? p[i] : PROBABILITY_LEAST);
}

static void log_softmax(float *x, size_t n)
{
	double sum = 0;
	float top = x[0];

	for (size_t i = 1; i < n; i++)
		top = x[i] > top ? x[i] : top;
	for (size_t i = 0; i < n; i++)
		sum += exp((double)x[i] - top);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)((double)x[i] - top - log(sum));
}

/* Logits as logged, or made of probabilities. A stream keeps to what its first record had: raw logits cannot be made of
 * probabilities, log-probabilities can be made of logits. */
static void logits_settle(struct row *r)
{
	struct row_vector *logits = &r->vector[FIELD_LOGITS], *p = &r->vector[FIELD_PROBABILITIES];
	struct row_stream *s = r->stream;

	if (logits->n) {
		vector_settle(r, FIELD_LOGITS);
		if (s->logits == LOGITS_UNKNOWN)
			s->logits = LOGITS_RAW;
		if (s->logits == LOGITS_NORMALISED)
			log_softmax(vector_at(r, FIELD_LOGITS), logits->n);
	} else if (p->n && s->logits != LOGITS_RAW) {
		vector_settle(r, FIELD_PROBABILITIES);
		s->logits = LOGITS_NORMALISED;
		log_probabilities(vector_at(r, FIELD_LOGITS), p->scratch, p->n);
	} else {
		batch_row_blank(r->batch, true, false);
	}
	r->batch->logits_normalised = s->logits == LOGITS_NORMALISED;
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
	for (size_t i = 0; i < COUNT(vectors); i++)
		if (r->vector[vectors[i]].n)
			width_check(r, vectors[i], r->vector[vectors[i]].n);
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

	vector_settle(r, FIELD_EMBEDDING);
	if (!r->vector[FIELD_EMBEDDING].n)
		batch_row_blank(b, false, true);
	logits_settle(r);
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
	right = stream_named(r);
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
