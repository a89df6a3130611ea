/* SPDX-License-Identifier: Apache-2.0
 * Which stream a record belongs to, and the batch of it. Streams are found by the hash of model and version, and forgotten when there
 * are too many that nobody watches. */
#include "input/decode_row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

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

void row_streams_open(struct row *r)
{
	r->limbo = stream_open("", 0, "", 0);
	r->limbo->batch = batch_open("", 0, "", 0);
}

void row_streams_close(struct row *r)
{
	for (size_t i = 0; i < r->n_streams; i++)
		stream_close(r->streams[i]);
	free(r->streams);
	batch_close(r->limbo->batch);
	stream_close(r->limbo);
}

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

struct row_stream *row_stream_named(struct row *r)
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

struct row_stream *row_stream_guess(struct row *r)
{
	bool model = r->text[FIELD_MODEL].at || !place_is(r, FIELD_MODEL);
	bool version = r->text[FIELD_VERSION].at || !place_is(r, FIELD_VERSION);
	enum reject_reason fault = r->fault;
	struct row_stream *s = model && version ? row_stream_named(r) : r->last;

	r->fault = fault;
	return s ? s : r->limbo;
}

struct batch *row_stream_batch(struct row *r, struct row_stream *s)
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
